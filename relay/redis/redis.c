#include "redis/redis.h"

#include <string.h>
#include <unistd.h>

#include "common/memory.h"
#include "net/tls.h"

bool redis_init(struct redis *redis, const struct redis_settings *settings, struct event_base *base,
                struct timers *timers, const char **error)
{
	const struct tls_settings for_tls = {
		.option = "--redis",
		.ca_file = settings->ca_file,
		.cert_file = settings->cert_file,
		.key_file = settings->key_file,
	};
	const char *user = settings->sentinel_user;

	*redis = (struct redis){
		.base = base,
		.timers = timers,
		.password_file = settings->password_file,
		.sentinel_password_file = settings->sentinel_password_file,
	};
	if (settings->password_file != NULL && access(settings->password_file, R_OK) != 0) {
		*error = "the file with the Redis password can't be read";
		return false;
	}
	if (user != NULL)
		redis->sentinel_access.user = mem_copy(user, strlen(user) + 1);
	if (!address_parse(settings->url, &redis->address, error))
		return false;
	if (redis->address.tls)
		redis->tls = tls_create(&for_tls, error);
	return !redis->address.tls || redis->tls != NULL;
}

void redis_fini(struct redis *redis)
{
	tls_destroy(redis->tls);
	address_fini(&redis->address);
	address_fini(&redis->sentinel_access);
}

bool redis_is_cluster(const struct redis *redis)
{
	return redis->address.form == ADDRESS_CLUSTER;
}
