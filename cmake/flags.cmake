set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
add_compile_definitions(_GNU_SOURCE)

add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror)

# No NDEBUG: our asserts are cheap and stay on.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-Og -g")

add_compile_options(-fPIE -fstack-protector-strong -fstack-clash-protection -fno-omit-frame-pointer)
add_link_options("$<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-pie>" -Wl,-z,relro,-z,now -Wl,--as-needed)

if(RELAY_SANITIZE)
	set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all)
	add_compile_options(${sanitizers})
	add_link_options(${sanitizers})
elseif(CMAKE_BUILD_TYPE STREQUAL Release)
	# Not with sanitizers: they do not see into the checked functions.
	add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()

if(RELAY_FUZZ)
	add_compile_options(-fsanitize=fuzzer-no-link)
endif()
