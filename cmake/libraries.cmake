# Third parties, each as one interface library with SYSTEM headers: our warnings
# are not theirs.

find_package(PkgConfig REQUIRED)
foreach(library libevent:libevent libevent_openssl:libevent_openssl openssl:openssl)
	string(REPLACE ":" ";" library ${library})
	list(GET library 0 name)
	list(GET library 1 module)
	pkg_check_modules(${name}_pc REQUIRED IMPORTED_TARGET ${module})
	add_library(${name} INTERFACE)
	target_link_libraries(${name} INTERFACE PkgConfig::${name}_pc)
endforeach()

if(NOT RELAY_DEPS)
	execute_process(COMMAND ${PROJECT_SOURCE_DIR}/scripts/deps COMMAND_ERROR_IS_FATAL ANY)
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
		scripts/deps deps/libwebsockets.patch deps/sha256sums)
endif()

# The link's target, not the link: libraries built anew are in another folder, so
# that everything that used the old ones is seen to be out of date.
if(RELAY_DEPS)
	file(REAL_PATH ${RELAY_DEPS} deps)
else()
	file(REAL_PATH ${PROJECT_SOURCE_DIR}/build/deps deps)
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
