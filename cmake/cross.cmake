# A toolchain file: for the architecture that CC compiles for, on a Debian that has its libraries, be
# it this machine's own or another.
execute_process(COMMAND $ENV{CC} -dumpmachine OUTPUT_VARIABLE triple OUTPUT_STRIP_TRAILING_WHITESPACE)
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR ${triple})
set(CMAKE_SYSTEM_NAME Linux)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/${triple}/pkgconfig:/usr/share/pkgconfig)
