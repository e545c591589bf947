/*
 * What the relay itself says to a client. Each function appends one JSON message, unframed.
 *
 * Slices named raw_* are JSON values copied as they are; the others are text that gets escaped.
 * `time_ms` is clock_wall_ms(); on the wire it is seconds with three decimals (1760000000.123).
 */
#pragma once

#include "common/buffer.h"
#include "common/text.h"

#define NOTICE_RAW_ID_BYTES_MAX \
	256 /* a longer one is not echoed: an error stays small whatever it is about */

struct notice_error {
	const char *code;    /* "peer_not_found", ... */
	const char *message; /* a sentence */
	struct slice peer;   /* the `to` of the notice: who is told; left out if absent */
	struct slice type;   /* of the refused message; left out if absent */
	struct slice target; /* whom the refused message was for; left out if absent */
	struct slice
		raw_id; /* the refused message's id or turnId; left out if absent or too long */
	const char *delivered; /* "no", "unknown" or NULL = left out */
};
void notice_error(struct buffer *out, const struct notice_error *error, uint64_t time_ms);

/* {"type":"presence","from":ID,"data":{"status":"offline"},"timestamp":...} */
void notice_offline(struct buffer *out, struct slice id, uint64_t time_ms);

/* {"type":"resync","from":"relay","timestamp":...}: messages may have been missed. */
void notice_resync(struct buffer *out, uint64_t time_ms);

/* {"type":"drain","from":"relay","data":{"reconnect_ms":N},"timestamp":...} */
void notice_drain(struct buffer *out, uint64_t reconnect_ms, uint64_t time_ms);

/* {"type":"auth_response","from":"relay","data":{"status":"ok","expires_at":1760000000},"timestamp":...} */
void notice_auth_response(struct buffer *out, uint64_t expires_ms, uint64_t time_ms);

/* {"type":"auth_expiring","from":"relay","data":{"expires_at":1760000000},"timestamp":...} */
void notice_auth_expiring(struct buffer *out, uint64_t expires_ms, uint64_t time_ms);

struct notice_capabilities {
	const char *version;
	uint64_t node;
	struct slice mesh;
	uint64_t heartbeat_seconds; /* send something at least this often */
	uint64_t ttl_seconds;
	uint64_t message_bytes_max;
	uint64_t presence_bytes_max;
	uint64_t agents_max;
	uint64_t messages_per_second; /* 0 = no limit */
	uint64_t bytes_per_second;    /* 0 = no limit */
	const char *const *types;     /* ends with NULL */
};
/* {"type":"capabilities_response","from":"relay","data":{"agentCards":[],"activeAgents":[],"relay":{...}},"timestamp":...} */
void notice_capabilities(struct buffer *out, const struct notice_capabilities *capabilities,
                         uint64_t time_ms);

/* {"type":"roster","from":"relay","data":{"peers":[ ... presences, joined by commas ... ]},"timestamp":...} */
void notice_roster_open(struct buffer *out);
void notice_roster_close(struct buffer *out, uint64_t time_ms);

/*
 * The members to insert behind a message's opening brace (envelope.body), for each id that is not
 * absent: "from":"...","instanceId":"...", (with the comma behind).
 */
void notice_insert(struct buffer *out, struct slice from, struct slice instance_id);

/* The member to insert when a message of the roster has no timestamp: "timestamp":1760000000.123, */
void notice_insert_timestamp(struct buffer *out, uint64_t time_ms);
