/*
 * Where a request is from: which page, and which address. Good only while lws has its headers.
 */
#pragma once

#include "common/ip.h"
#include "edge/internal.h"
#include "edge/tally.h"

/*
 * May the page that it is from connect (--allowed-origin)? What is no browser says no origin, and may.
 */
bool visitor_page_is_allowed(struct lws *wsi);

/*
 * The client's address: the peer's, or, if that is a trusted proxy, the last in X-Forwarded-For
 * that is not one: each proxy adds at the end whom it got the request from, and what is before what
 * a stranger added is hearsay. An entry that is no address ends the search at the one behind it.
 * All zero if the peer has none.
 */
void visitor_ip(struct lws *wsi, struct ip *ip);

/*
 * One more socket of its address: *mark is to be given back when it ends, and NULL if addresses are
 * not counted. Returns false if it has as many as it may.
 */
bool visitor_count(struct lws *wsi, struct tally_mark **mark);
