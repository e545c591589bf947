/*
 * Preloaded into a relay that is PID 1 of its own namespace: SIGUSR2 makes two of it, as if it had been
 * continued twice from one snapshot of its machine.
 *
 * All that was in its memory is in both, the state of OpenSSL's random generator too, which looks at
 * the PID to see that it was forked: it is 1 in both. Nothing else do they share: what they were
 * connected to is gone, and the second has pipes, an epoll instance and a listening socket of its own; the last at
 * the port that TWIN_PORT says.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 512
#define ENTRIES_MAX 64

/* What an epoll instance watches. */
struct watch {
	int count;
	struct {
		int fd;
		struct epoll_event event;
	} entries[ENTRIES_MAX];
};

static void must(bool done)
{
	if (!done)
		abort();
}

static bool link_begins(int fd, const char *beginning)
{
	char path[64];
	char target[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, target, sizeof(target) - 1) > 0 &&
	       strncmp(target, beginning, strlen(beginning)) == 0;
}

/* In the place of fd; takes the new one. */
static void replace(int fd, int new)
{
	int flags = fcntl(fd, F_GETFL);

	must(new >= 0 && fcntl(new, F_SETFL, flags) == 0 && dup3(new, fd, O_CLOEXEC) == fd);
	close(new);
}

static void read_watch(int epoll, struct watch *watch)
{
	char text[8192];
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", epoll);
	int file = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = read(file, text, sizeof(text) - 1);
	must(size >= 0);
	text[size] = '\0';
	close(file);
	watch->count = 0;
	for (char *line = text; (line = strstr(line, "tfd:")) != NULL; line++) {
		unsigned long long data;
		unsigned events;
		int fd;
		must(sscanf(line, "tfd: %d events: %x data: %llx", &fd, &events, &data) == 3 &&
		     watch->count < ENTRIES_MAX);
		watch->entries[watch->count].fd = fd;
		watch->entries[watch->count].event.events = events;
		watch->entries[watch->count++].event.data.u64 = data;
	}
}

static void renew_epoll(int epoll, const struct watch *watch)
{
	int new = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < watch->count; i++) {
		struct epoll_event event = watch->entries[i].event;
		must(epoll_ctl(new, EPOLL_CTL_ADD, watch->entries[i].fd, &event) == 0);
	}
	must(dup3(new, epoll, O_CLOEXEC) == epoll);
	close(new);
}

static void renew_pipe(int fd)
{
	struct stat one;
	struct stat other;
	int ends[2];

	must(fstat(fd, &one) == 0);
	for (int second = fd + 1; second < DESCRIPTORS_MAX; second++)
		if (fstat(second, &other) == 0 && S_ISFIFO(other.st_mode) &&
		    other.st_ino == one.st_ino) {
			bool writes = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY;
			must(pipe2(ends, O_CLOEXEC) == 0);
			replace(fd, ends[writes ? 1 : 0]);
			replace(second, ends[writes ? 0 : 1]);
			return;
		}
}

static void listen_elsewhere(int fd)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)strtoul(getenv("TWIN_PORT"), NULL, 10)),
	};
	int new = socket(AF_INET, SOCK_STREAM, 0);

	must(bind(new, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(new, 64) == 0);
	replace(fd, new);
}

/* Whoever was at the other end is not there any more. */
static void disconnect(int fd)
{
	int ends[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	close(ends[1]);
	replace(fd, ends[0]);
}

static void renew_socket(int fd, bool is_second)
{
	int listens = 0;
	socklen_t size = sizeof(listens);

	must(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0);
	if (!listens)
		disconnect(fd);
	else if (is_second)
		listen_elsewhere(fd);
}

static void on_snapshot(int signal)
{
	struct watch watch;
	struct stat status;
	int epoll = -1;

	(void)signal;
	for (int fd = 3; fd < DESCRIPTORS_MAX && epoll < 0; fd++)
		if (link_begins(fd, "anon_inode:[eventpoll]"))
			epoll = fd;
	must(epoll >= 0);
	read_watch(epoll, &watch);
	long twin = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	must(twin >= 0);
	if (twin == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int fd = 3; fd < DESCRIPTORS_MAX; fd++) {
		if (fstat(fd, &status) != 0)
			continue;
		if (S_ISSOCK(status.st_mode))
			renew_socket(fd, twin == 0);
		else if (twin == 0 && S_ISFIFO(status.st_mode))
			renew_pipe(fd);
		else if (twin == 0 && link_begins(fd, "anon_inode:[eventfd]"))
			replace(fd, eventfd(0, 0));
	}
	renew_epoll(epoll, &watch);
}

__attribute__((constructor)) static void wait_for_signal(void)
{
	struct sigaction action = {.sa_handler = on_snapshot};

	if (getenv("TWIN_PORT") != NULL)
		sigaction(SIGUSR2, &action, NULL);
}
