"""Names that cost nothing on a chip, because MicroPython's images carry them in ROM: device_source uses them.

They are methods and constants of MicroPython's own modules (its documentation, "Libraries") that no device file uses.
A name that an image lacks costs heap and nothing else.
"""

# For private data attributes. All are in the image of the Pico W (v1.28.0).
NAMES_IN_ROM = tuple(
    """acos acosh asin asinh atan atan2 atanh copysign degrees erf erfc expm1 fabs floor fmod frexp isclose
    isfinite isinf isnan ldexp lgamma log10 log2 modf radians trunc polar phase indices getter deleter setter
    center lstrip rsplit rindex splitlines islower isspace isupper fromkeys fromhex popitem isdisjoint issubset
    issuperset intersection symmetric_difference union discard intersection_update deque popleft appendleft
    namedtuple OrderedDict heapify heappop heappush heapq a2b_base64 b2a_base64 randint randrange uniform seed
    localtime mktime sleep_us ticks_cpu addressof bytearray_at bytes_at uctypes sizeof BFINT16 BFINT32 BFINT8
    BFUINT16 BFUINT32 BFUINT8 BF_LEN BF_POS BIG_ENDIAN LITTLE_ENDIAN NATIVE FLOAT64 UINT64 ULONG ULONGLONG
    USHORT VOID PTR mem8 mem16 mem32 time_pulse_us soft_reset Signal makefile recvfrom sendto unregister modify
    version_info heap_lock heap_unlock opt_level stack_use qstr_info mem_info mem_alloc schedule isenabled
    RingIO StringIO BytesIO DeflateIO GZIP ZLIB TextIOWrapper FileIO getvalue readlines readonly ilistdir chdir
    getcwd mkfs umount VfsFat FrameBuffer FrameBuffer1 blit ellipse fill_rect framebuf hline vline scroll poly
    MONO_HLSB MONO_HMSB MONO_VLSB MVLSB RGB565 GS2_HMSB GS4_HMSB GS8 SOCK_RAW SOL_SOCKET SO_BROADCAST
    SO_REUSEADDR MSG_DONTWAIT MSG_PEEK IP_ADD_MEMBERSHIP IP_DROP_MEMBERSHIP AF_INET6 EADDRINUSE EALREADY EBADF
    EISDIR ENOBUFS ENODEV ENOTCONN EOPNOTSUPP EPERM EACCES errorcode ArithmeticError LookupError OverflowError
    UnicodeError EOFError IndentationError ViperTypeError StopAsyncIteration cur_task pend_throw coro ph_key
    abs_tol rel_tol websocket bytecode argv byteorder libc_ver python_compiler ps1 ps2 stderr""".split()
)

# For parameters: static strings of the .mpy format, which are in every image, and which read well enough.
PARAMETERS = tuple(
    """value key index start stop count end step sep items keys values args find replace insert remove split strip
    lower upper update pop extend append join sort reverse round sum""".split()
)
