# Run by cpack between the installation into a folder and the package: what Debian wants, and `cmake --install`
# elsewhere does not.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
set(documents ${root}/usr/share/doc/p2p-relay)

# 0640: an URL of Redis may hold a password.
file(MAKE_DIRECTORY ${root}/etc)
file(COPY ${CMAKE_CURRENT_LIST_DIR}/../p2p-relay.env DESTINATION ${root}/etc/p2p-relay
	FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
file(REMOVE_RECURSE ${documents}/examples)

file(COPY ${CMAKE_CURRENT_LIST_DIR}/changelog DESTINATION ${documents})
execute_process(COMMAND gzip -9n ${documents}/changelog COMMAND_ERROR_IS_FATAL ANY)
