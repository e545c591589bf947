/* HTTP answers: each one whole, in one write. */
#pragma once

#include "edge/request.h"

struct answer {
	unsigned status;
	const char *type; /* NULL: application/json */
	struct slice body;
	const char *headers; /* further ones, each with its \r\n; NULL = none */
	bool without_body;   /* HEAD: only says how long it would be */
	bool last;           /* the connection is closed after it */
};

/* Writes it. Returns what the lws callback has to return. */
int answer_write(struct lws *wsi, const struct answer *answer);

/* {"error":"..."}; `why` is a literal without quotes. Closes the connection after it. */
int answer_error(struct lws *wsi, unsigned status, const char *why, const char *headers);

/* The same while lws asks whether to upgrade: there lws itself ends the transaction. */
int answer_refusal(struct lws *wsi, unsigned status, const char *why, const char *headers);
