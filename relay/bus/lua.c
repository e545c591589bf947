#include "bus/lua.h"

#include "common/metrics.h"
#include "embedded_lua.h"

static const struct {
	const char *name;
	const char *text;
} sources[SCRIPT_COUNT] = {
	[SCRIPT_ANNOUNCE] = {"announce", embedded_announce_lua},
	[SCRIPT_REFRESH] = {"refresh", embedded_refresh_lua},
	[SCRIPT_LEAVE] = {"leave", embedded_leave_lua},
	[SCRIPT_REAP] = {"reap", embedded_reap_lua},
};

/*
 * The first line says what Redis is to know of the script, so what all have in common goes between
 * it and the rest. Returns owned.
 */
static struct blob *compose(const char *script, bool sharded)
{
	const char *rest = strchr(script, '\n') + 1;
	struct buffer text = {0};

	buffer_append(&text, (struct slice){script, (size_t)(rest - script)});
	buffer_append(&text, sharded ? SLICE("local PUBLISH = 'SPUBLISH'\n")
	                             : SLICE("local PUBLISH = 'PUBLISH'\n"));
	buffer_append(&text, slice_of(embedded_lib_lua));
	buffer_append(&text, slice_of(rest));
	struct blob *blob = blob_copy(buffer_slice(&text));
	buffer_fini(&text);
	return blob;
}

void lua_init(struct script scripts[SCRIPT_COUNT], bool sharded)
{
	for (size_t i = 0; i < SCRIPT_COUNT; i++)
		scripts[i].text = compose(sources[i].text, sharded);
	for (size_t i = 0; i < SCRIPT_COUNT; i++)
		scripts[i].calls =
			metric_counter("p2p_relay_script_calls_total",
		                       "Scripts that Redis answered.", "script", sources[i].name);
	for (size_t i = 0; i < SCRIPT_COUNT; i++)
		scripts[i].us = metric_counter("p2p_relay_script_microseconds_total",
		                               "Time from calling a script to its answer.",
		                               "script", sources[i].name);
}

void lua_fini(struct script scripts[SCRIPT_COUNT])
{
	for (size_t i = 0; i < SCRIPT_COUNT; i++)
		blob_unref(scripts[i].text);
}
