/* The errors that a client is told of: docs/protocol.md lists them. */
#pragma once

enum error_code {
	ERROR_INVALID_MESSAGE,
	ERROR_NO_PRESENCE,
	ERROR_FROM_MISMATCH,
	ERROR_ID_TAKEN,
	ERROR_RESERVED_TYPE,
	ERROR_PEER_NOT_FOUND,
	ERROR_PEER_UNREACHABLE,
	ERROR_MESH_FULL,
	ERROR_TOO_LARGE,
	ERROR_RATE_LIMITED,
	ERROR_ECHO_SUPPRESSED,
	ERROR_BUS_UNAVAILABLE,
	ERROR_UNAUTHORIZED,
	ERROR_COUNT,
};

/* Its name on the wire. */
const char *error_name(enum error_code code);
