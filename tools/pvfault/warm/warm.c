// SPDX-License-Identifier: GPL-2.0
/*
 * pvfault-warm: bring in the memory of processes that the host has taken.
 *
 * For each page that is mapped, a thread reads one octet of it by process_vm_readv().
 * If the page is missing on the host, this thread sleeps, and the others go on: as many
 * pages are on their way as there are threads. Nothing else is needed of the kernel but
 * pvfault in kernel mode. What the process has not mapped, or the guest itself has swapped
 * out, is left alone, by /proc/PID/pagemap; what must not be read without need, such as a
 * device's registers, process_vm_readv() refuses.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define THREADS		32	/* of the 64 pages that KVM fetches at once for a CPU */
#define THREADS_MAX	64
#define CHUNK		8	/* pages that a thread takes at a time: neighbours stay so */
#define STACK		65536
#define PRESENT		(1ULL << 63)	/* in pagemap */
#define ENTRIES		512		/* of pagemap, read at a time */

/* The pages of one process. */
struct pages {
	pid_t pid;
	uint64_t *address;
	size_t count, room;
	size_t next;		/* for a thread to take; atomic */
	size_t read, failed;	/* atomic */
	int error;		/* of one that failed */
};

static uint64_t page_size;

static void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void warn(const char *fmt, ...)
{
	va_list args;

	fputs("pvfault-warm: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

static bool add(struct pages *p, uint64_t address)
{
	if (p->count == p->room) {
		size_t room = p->room ? 2 * p->room : 4096;
		uint64_t *more = realloc(p->address, room * sizeof(*more));

		if (!more)
			return false;
		p->address = more;
		p->room = room;
	}
	p->address[p->count++] = address;
	return true;
}

/* Add the pages from @start to @end that are mapped. Return: false without memory. */
static bool add_mapped(struct pages *p, int pagemap, uint64_t start, uint64_t end)
{
	uint64_t entry[ENTRIES];

	while (start < end) {
		size_t n = (end - start) / page_size;
		ssize_t got;

		if (n > ENTRIES)
			n = ENTRIES;
		got = pread(pagemap, entry, n * sizeof(*entry), start / page_size * sizeof(*entry));
		if (got <= 0)
			return true;
		n = got / sizeof(*entry);
		for (size_t i = 0; i < n; i++)
			if ((entry[i] & PRESENT) && !add(p, start + i * page_size))
				return false;
		start += n * page_size;
	}
	return true;
}

/* Find all of a process. Return: false if it can't be looked at. */
static bool find(struct pages *p)
{
	char path[64], line[512];
	bool ok = true;
	int pagemap;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", p->pid);
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/maps", p->pid);
	maps = fopen(path, "re");
	if (!maps) {
		close(pagemap);
		return false;
	}
	while (ok && fgets(line, sizeof(line), maps)) {
		uint64_t start, end;
		char readable;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %c", &start, &end, &readable) == 3 &&
		    readable == 'r' && !strstr(line, "[v"))
			ok = add_mapped(p, pagemap, start, end);
	}
	fclose(maps);
	close(pagemap);
	if (!ok)
		errno = ENOMEM;
	return ok;
}

/* Read an octet of each of @n pages. What fails is left out. */
static void read_pages(struct pages *p, const uint64_t *address, size_t n)
{
	char octets[CHUNK];
	struct iovec from[CHUNK];
	size_t done = 0;

	for (size_t i = 0; i < n; i++)
		from[i] = (struct iovec) { (void *)(uintptr_t)address[i], 1 };
	while (done < n) {
		struct iovec to = { octets, n - done };
		ssize_t got = process_vm_readv(p->pid, &to, 1, from + done, n - done, 0);

		if (got > 0) {
			__atomic_fetch_add(&p->read, got, __ATOMIC_RELAXED);
			done += got;
		}
		if (done < n && (got <= 0 || done == 0)) {
			__atomic_fetch_add(&p->failed, 1, __ATOMIC_RELAXED);
			__atomic_store_n(&p->error, errno, __ATOMIC_RELAXED);
			done++;
		}
	}
}

static void *worker(void *arg)
{
	struct pages *p = arg;

	for (;;) {
		size_t at = __atomic_fetch_add(&p->next, CHUNK, __ATOMIC_RELAXED);

		if (at >= p->count)
			return NULL;
		read_pages(p, p->address + at, p->count - at < CHUNK ? p->count - at : CHUNK);
	}
}

static void read_all(struct pages *p, unsigned int threads)
{
	pthread_t thread[THREADS_MAX];
	pthread_attr_t attr;
	unsigned int n = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	/* This thread is one of them; fewer than wanted will do. */
	while (n + 1 < threads && !pthread_create(&thread[n], &attr, worker, p))
		n++;
	worker(p);
	while (n)
		pthread_join(thread[--n], NULL);
	pthread_attr_destroy(&attr);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Return: false if the process can't be read. */
static bool warm(pid_t pid, unsigned int threads, bool verbose)
{
	struct pages p = { .pid = pid };
	double began = seconds();
	bool ok = find(&p);

	if (ok) {
		read_all(&p, threads);
		ok = p.read || !p.count;
		if (!ok)
			errno = p.error;
	}
	if (ok && verbose)
		printf("%d: %zu pages in %.3f s, %zu not readable\n", pid, p.read,
		       seconds() - began, p.failed);
	free(p.address);
	return ok;
}

/* All processes but this one; those that end meanwhile, or aren't ours, are left out. */
static bool warm_all(unsigned int threads, bool verbose)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;

	if (!proc) {
		warn("/proc: %s", strerror(errno));
		return false;
	}
	while ((e = readdir(proc))) {
		pid_t pid = isdigit((unsigned char)e->d_name[0]) ? atoi(e->d_name) : 0;

		if (pid > 0 && pid != getpid())
			warm(pid, threads, verbose);
	}
	closedir(proc);
	return true;
}

static void usage(FILE *to)
{
	fprintf(to, "Usage: pvfault-warm [-v] [-j THREADS] PID... | --all\n"
		"Bring in the memory of processes that the host has taken.\n"
		"  -a, --all        of all processes\n"
		"  -j, --threads=N  pages at once, 1 to %d (%d)\n"
		"  -v, --verbose    say how many pages, and how long it took\n",
		THREADS_MAX, THREADS);
}

/* A number from 1 to @max, or 0. */
static long positive(const char *text, long max)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *end || end == text || n < 1 || n > max ? 0 : n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "threads", required_argument, NULL, 'j' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	bool all = false, verbose = false, ok = true;
	long threads = THREADS;
	int c;

	while ((c = getopt_long(argc, argv, "aj:vh", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			all = true;
			break;
		case 'j':
			threads = positive(optarg, THREADS_MAX);
			break;
		case 'v':
			verbose = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			threads = 0;
		}
	}
	if (!threads || all == (optind < argc)) {
		usage(stderr);
		return 2;
	}
	page_size = sysconf(_SC_PAGESIZE);
	if (all)
		return !warm_all(threads, verbose);
	for (; optind < argc; optind++) {
		pid_t pid = positive(argv[optind], INT32_MAX);

		if (pid && warm(pid, threads, verbose))
			continue;
		warn("%s: %s", argv[optind], pid ? strerror(errno) : "not a process id");
		ok = false;
	}
	return !ok;
}
