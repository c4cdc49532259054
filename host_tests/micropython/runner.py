"""Runs on MicroPython: executes portable test functions one by one as the collector asks for them.

Protocol, line by line: the collector writes a function's name to stdin; this answers with the lines the test
printed and then one line that starts with MARK: "begin" once the module is loaded, then "pass" or "fail <reason>"
for each test. At end of input it exits with status 0. A crash or a hang is seen by the collector.

Called as: micropython runner.py <folder of the test file> <module name>
"""

import gc
import sys

MARK = "\x01fieldgate-test "


def say(text):
    print("\n" + MARK + text)


def one_line(error):
    return (type(error).__name__ + ": " + str(error)).replace("\n", " ")


def run(function):
    gc.collect()
    try:
        if function() is not None:
            say("fail the test returned a value: a coroutine or generator that nobody ran?")
            return
    except BaseException as error:  # SystemExit and KeyboardInterrupt of a test are its failure, too
        sys.print_exception(error, sys.stdout)
        say("fail " + one_line(error))
        return
    say("pass")


def main():
    folder, name = sys.argv[1:3]
    sys.path.insert(0, folder)
    try:
        module = __import__(name)
    except BaseException as error:
        sys.print_exception(error, sys.stdout)
        say("fail " + one_line(error))
        sys.exit(1)
    say("begin")
    while True:
        line = sys.stdin.readline()
        if not line:
            break
        run(getattr(module, line.strip()))


main()
