#include "mesh/errors.h"

static const char *const names[ERROR_COUNT] = {
	[ERROR_INVALID_MESSAGE] = "invalid_message",
	[ERROR_NO_PRESENCE] = "no_presence",
	[ERROR_FROM_MISMATCH] = "from_mismatch",
	[ERROR_ID_TAKEN] = "id_taken",
	[ERROR_RESERVED_TYPE] = "reserved_type",
	[ERROR_PEER_NOT_FOUND] = "peer_not_found",
	[ERROR_PEER_UNREACHABLE] = "peer_unreachable",
	[ERROR_MESH_FULL] = "mesh_full",
	[ERROR_TOO_LARGE] = "too_large",
	[ERROR_RATE_LIMITED] = "rate_limited",
	[ERROR_ECHO_SUPPRESSED] = "echo_suppressed",
	[ERROR_BUS_UNAVAILABLE] = "bus_unavailable",
	[ERROR_UNAUTHORIZED] = "unauthorized",
};

const char *error_name(enum error_code code)
{
	return names[code];
}
