# embed(TARGET HEADER FILE...): each FILE, say lua/foo.lua, becomes
#
#     extern const char embedded_foo_lua[];        NUL-terminated
#     extern const size_t embedded_foo_lua_size;   without the NUL
#
# declared in HEADER, which only TARGET finds. Run as a script, this file does the
# work of one build step.

if(CMAKE_SCRIPT_MODE_FILE)
	set(declarations "")
	set(definitions "")
	foreach(file ${FILES})
		get_filename_component(name ${file} NAME)
		string(MAKE_C_IDENTIFIER ${name} name)
		file(READ ${file} bytes HEX)
		string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${bytes}")
		# Lines of 32 bytes, for those who look into it.
		string(REPEAT "." 128 line)
		string(REGEX REPLACE "(${line})" "\\1\"\n\t\"" bytes "${bytes}")
		string(APPEND declarations
			"extern const char embedded_${name}[];\nextern const size_t embedded_${name}_size;\n")
		string(APPEND definitions
			"\nconst char embedded_${name}[] =\n\t\"${bytes}\";\n"
			"const size_t embedded_${name}_size = sizeof(embedded_${name}) - 1;\n")
	endforeach()
	get_filename_component(include ${HEADER} NAME)
	file(WRITE ${HEADER} "#pragma once\n#include <stddef.h>\n\n${declarations}")
	file(WRITE ${SOURCE} "#include \"${include}\"\n${definitions}")
	return()
endif()

set(EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(embed target header)
	set(directory ${CMAKE_CURRENT_BINARY_DIR}/embedded/${target})
	set(header ${directory}/${header})
	string(REGEX REPLACE "\\.h$" ".c" source ${header})
	set(files "")
	foreach(file ${ARGN})
		get_filename_component(file ${file} ABSOLUTE)
		list(APPEND files ${file})
	endforeach()
	add_custom_command(
		OUTPUT ${header} ${source}
		COMMAND ${CMAKE_COMMAND} -DHEADER=${header} -DSOURCE=${source} "-DFILES=${files}" -P ${EMBED_SCRIPT}
		DEPENDS ${files} ${EMBED_SCRIPT}
		COMMENT "Embedding into ${target}"
		VERBATIM)
	target_sources(${target} PRIVATE ${header} ${source})
	target_include_directories(${target} PRIVATE ${directory})
endfunction()
