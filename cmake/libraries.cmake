# Third parties, by one name each, with SYSTEM headers: our warnings are not theirs.

find_package(PkgConfig REQUIRED)
pkg_check_modules(openssl REQUIRED IMPORTED_TARGET GLOBAL openssl)
add_library(openssl ALIAS PkgConfig::openssl)

# In its halves, as libevent_openssl wants it: with the library that holds both, which its .pc file
# names, all of libevent would be in the process twice.
pkg_check_modules(libevent REQUIRED IMPORTED_TARGET GLOBAL libevent_core libevent_extra)
add_library(libevent ALIAS PkgConfig::libevent)
find_library(event_openssl event_openssl REQUIRED)
add_library(libevent_openssl INTERFACE)
target_link_libraries(libevent_openssl INTERFACE ${event_openssl} libevent openssl)

# The link's target, not the link: libraries built anew are in another folder, so
# that everything that used the old ones is seen to be out of date.
if(RELAY_DEPS)
	file(REAL_PATH ${RELAY_DEPS} deps)
else()
	if(RELAY_FUZZ)
		set(kind fuzz)
		set(deps ${PROJECT_SOURCE_DIR}/build/deps-fuzz)
	else()
		set(deps ${PROJECT_SOURCE_DIR}/build/deps)
	endif()
	execute_process(COMMAND ${PROJECT_SOURCE_DIR}/scripts/deps ${kind} COMMAND_ERROR_IS_FATAL ANY)
	file(REAL_PATH ${deps} deps)
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
		scripts/deps deps/libwebsockets.patch deps/sha256sums)
endif()

function(static_library name)
	add_library(${name} INTERFACE)
	target_include_directories(${name} SYSTEM INTERFACE ${deps}/include)
	list(TRANSFORM ARGN REPLACE "^lib(.+)\\.a$" "${deps}/lib/\\0")
	target_link_libraries(${name} INTERFACE ${ARGN})
endfunction()

static_library(libwebsockets libwebsockets.a libevent openssl)
static_library(hiredis libhiredis_ssl.a libhiredis.a openssl)
static_library(yyjson libyyjson.a)
