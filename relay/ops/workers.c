/*
 * Happy path: fork them all, then sleep until a signal says that it is over, hand it on, and wait for
 * all to end.
 *
 * What may go wrong:
 *  - A worker dies: another takes its place, the sooner the fewer have died lately.
 *  - They die again and again: it is not going to be better. The others see to their clients, and
 *    whoever started the supervisor learns of it by its exit status.
 *  - There is no memory for a fork: as if the worker had died.
 *  - The supervisor is killed: the kernel tells the workers, and they see to their clients.
 *  - As process 1 of a container it inherits processes that it does not know: it reaps them, too.
 */
#include "ops/workers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

/* So many deaths within the time end it. */
#define DEATHS_MAX 5
#define DEATHS_MS 60000

/* Until a worker is replaced; doubled by each death within DEATHS_MS. */
#define RESTART_MS 100

struct worker {
	pid_t pid;         /* 0: none */
	uint64_t start_ms; /* without a pid: when to start one */
};

struct workers {
	struct workers_settings settings;
	struct worker workers[WORKERS_MAX];
	sigset_t inherited; /* the mask of signals that the workers are to have */
	sigset_t waited;
	uint64_t deaths_ms[DEATHS_MAX]; /* the latest; 0 = none */
	bool stopping;
	int status;
};

static void tell_all(const struct workers *all, int signal)
{
	for (unsigned i = 0; i < all->settings.count; i++)
		if (all->workers[i].pid != 0)
			kill(all->workers[i].pid, signal);
}

static void stop(struct workers *all)
{
	all->stopping = true;
	tell_all(all, WORKERS_STOP);
}

/* The child's side of the fork; never returns. */
static void work(const struct workers *all, unsigned worker, pid_t supervisor)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, WORKERS_STOP);
	if (getppid() != supervisor) /* it died before the kernel knew whom to tell */
		exit(EXIT_FAILURE);
	log_as("worker", worker);
	sigprocmask(SIG_SETMASK, &all->inherited, NULL);
	exit(all->settings.work(worker, all->settings.context));
}

/* Returns how many died lately, this one included. */
static unsigned count_death(struct workers *all, uint64_t now_ms)
{
	unsigned lately = 1;

	memmove(all->deaths_ms + 1, all->deaths_ms, sizeof(all->deaths_ms) - sizeof(uint64_t));
	all->deaths_ms[0] = now_ms;
	while (lately < DEATHS_MAX && all->deaths_ms[lately] != 0 &&
	       now_ms - all->deaths_ms[lately] < DEATHS_MS)
		lately++;
	return lately;
}

/* It is to be replaced, or it was the one too many. */
static void lose(struct workers *all, struct worker *worker)
{
	uint64_t now_ms = clock_mono_ms();
	unsigned lately = count_death(all, now_ms);

	worker->start_ms = now_ms + ((uint64_t)RESTART_MS << (lately - 1));
	if (lately < DEATHS_MAX)
		return;
	log_error("workers_keep_dying", LOG_NUMBER("deaths", lately),
	          LOG_NUMBER("seconds", DEATHS_MS / 1000),
	          LOG_TEXT("meaning", "the others end, too"));
	all->status = EXIT_FAILURE;
	stop(all);
}

static void start(struct workers *all, unsigned i)
{
	struct worker *worker = &all->workers[i];
	pid_t supervisor = getpid();
	pid_t pid = fork();

	if (pid == 0)
		work(all, i, supervisor);
	if (pid > 0) {
		worker->pid = pid;
		log_info("worker_started", LOG_NUMBER("worker", i), LOG_NUMBER("pid", pid));
		return;
	}
	log_error("worker_not_started", LOG_NUMBER("worker", i),
	          LOG_TEXT("reason", strerror(errno)));
	lose(all, worker);
}

/* Who is told to stop before it has begun to listen to signals ends, too, and has nobody to move. */
static bool ended_well(int status)
{
	return (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) ||
	       (WIFSIGNALED(status) && WTERMSIG(status) == WORKERS_STOP);
}

static void on_end(struct workers *all, unsigned i, int status)
{
	struct worker *worker = &all->workers[i];
	bool well = ended_well(status);

	all->settings.died(i, all->settings.context);
	if (!well || !all->stopping)
		log_error("worker_died", LOG_NUMBER("worker", i), LOG_NUMBER("pid", worker->pid),
		          WIFSIGNALED(status) ? LOG_NUMBER("signal", WTERMSIG(status))
		                              : LOG_NUMBER("status", WEXITSTATUS(status)));
	worker->pid = 0;
	if (!all->stopping)
		lose(all, worker);
	else if (!well)
		all->status = EXIT_FAILURE;
}

static void reap(struct workers *all)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < all->settings.count; i++)
			if (all->workers[i].pid == pid)
				on_end(all, i, status);
}

/* Starts those whose time has come. Returns the ms until the next one's has. */
static uint64_t start_due(struct workers *all)
{
	uint64_t wait_ms = DEATHS_MS;

	for (unsigned i = 0; i < all->settings.count && !all->stopping; i++) {
		uint64_t now_ms = clock_mono_ms();
		const struct worker *worker = &all->workers[i];

		if (worker->pid == 0 && worker->start_ms <= now_ms)
			start(all, i);
		if (worker->pid == 0 && worker->start_ms - now_ms < wait_ms)
			wait_ms = worker->start_ms - now_ms;
	}
	return wait_ms;
}

static bool any_is_left(const struct workers *all)
{
	for (unsigned i = 0; i < all->settings.count; i++)
		if (all->workers[i].pid != 0)
			return true;
	return false;
}

static void wait_and_act(struct workers *all, uint64_t wait_ms)
{
	const struct timespec wait = {
		.tv_sec = (time_t)(wait_ms / 1000),
		.tv_nsec = (long)(wait_ms % 1000) * 1000000,
	};
	int signal = sigtimedwait(&all->waited, NULL, &wait);

	switch (signal) {
	case SIGTERM:
	case SIGINT:
		log_info("stopping_workers", LOG_NUMBER("signal", signal));
		stop(all);
		break;
	case SIGHUP:
		tell_all(all, SIGHUP);
		break;
	default: /* a child's end, or it is time */
		reap(all);
	}
}

/* Those signals wait until we look for them, whatever whoever started us did with them. */
static void take_signals(struct workers *all)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGCHLD, SIGHUP};
	unsigned count = all->settings.reload ? 4 : 3;

	sigemptyset(&all->waited);
	for (unsigned i = 0; i < count; i++) {
		signal(signals[i], SIG_DFL);
		sigaddset(&all->waited, signals[i]);
	}
	sigprocmask(SIG_BLOCK, &all->waited, &all->inherited);
}

int workers_run(const struct workers_settings *settings)
{
	struct workers all = {.settings = *settings, .status = EXIT_SUCCESS};

	assert(settings->count >= 1 && settings->count <= WORKERS_MAX);
	take_signals(&all);
	do
		wait_and_act(&all, start_due(&all));
	while (!all.stopping || any_is_left(&all));
	log_info("workers_stopped", LOG_NUMBER("status", all.status));
	return all.status;
}
