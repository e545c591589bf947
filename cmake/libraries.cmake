# Third parties, by one name each, with SYSTEM headers: our warnings are not theirs.

find_package(PkgConfig REQUIRED)
foreach(module libevent libevent_openssl openssl)
	pkg_check_modules(${module} REQUIRED IMPORTED_TARGET GLOBAL ${module})
	add_library(${module} ALIAS PkgConfig::${module})
endforeach()

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
