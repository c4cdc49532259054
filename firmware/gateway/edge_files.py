"""What alarms must know after a restart: which were latched, and what anomaly watches have learned. alarms.txt.

A line is `latched <name>` or `learned <name> <point> <state> <base> <mean> <spread>`. Written aside and renamed, in a
pause of the bus, when an alarm becomes latched or is acknowledged and when something was learned. What does not fit
the configuration any more is left out. Loaded for a moment only.
"""

import os

FILE = "alarms.txt"


def write(alarms, names):
    """Keep what these alarms know. names: of the inputs. Raises OSError when there is no room."""
    with open(FILE + ".new", "w") as file:
        for alarm in alarms:
            if alarm.latched:
                file.write("latched %s\n" % alarm.name)
            if alarm.watch:
                for state, base, mean, spread in alarm.watch.kept():
                    numbers = "%s %s %.9g %.9g" % (state, base, mean, spread)
                    file.write("learned %s %s %s\n" % (alarm.name, names[alarm.index], numbers))
    os.rename(FILE + ".new", FILE)


def read(alarms, names):
    """Give the alarms what was kept, as far as it fits."""
    try:
        with open(FILE) as file:
            for line in file:
                _take(line.split(), alarms, names)
    except OSError:
        pass  # nothing was kept so far


def _take(fields, alarms, names):
    for alarm in alarms:
        if len(fields) < 2 or alarm.name != fields[1]:
            continue
        if fields[0] == "latched" and alarm.latching:
            alarm.latched = True
        elif fields[0] == "learned" and alarm.watch and len(fields) == 7 and fields[2] == names[alarm.index]:
            try:
                state, base, mean, spread = [_number(field) for field in fields[3:]]
            except ValueError:
                return  # a damaged line: it is learned anew
            alarm.watch.restore(state, base, mean, spread)


def _number(text):
    try:
        return int(text)
    except ValueError:
        return float(text)
