// SPDX-License-Identifier: GPL-2.0
/* The pager, started against the simulated Xen; a disk under the test's control. */

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "adopt.h"
#include "fake.h"
#include "run.h"

struct pager *pager;
char page_file[256];

#define MAX_IO	(2 * MAX_TRANSFERS)
static struct io_job *waiting[MAX_IO];
unsigned int io_waiting;
bool io_by_itself;
int io_write_error, io_read_error;
bool collect_evictions;
static int disk_fd;

static void disk_submit(struct io *io, struct io_job *job)
{
	assert_true(io_waiting < MAX_IO);
	/* Its buffer and its page go together. */
	assert_int_equal((uintptr_t)job->buf % XEN_PAGE, 0);
	assert_int_equal(job->offset % XEN_PAGE, 0);
	waiting[io_waiting++] = job;
}

/* The place of this page can't be read from now on; 0: all can again. */
static bool bad[NR_GFNS];

void io_bad(uint64_t gfn)
{
	if (!gfn)
		memset(bad, 0, sizeof(bad));
	else
		bad[gfn] = true;
}

void io_end(unsigned int nth, int error)
{
	struct io_job *job = waiting[nth];
	long moved;

	waiting[nth] = waiting[--io_waiting];
	if (!error)
		error = job->write ? io_write_error : io_read_error;
	if (!error && !job->write && bad[((struct transfer *)job)->gfn])
		error = -EIO;
	/* More than 0: that many octets are read, and no more. */
	if (error)
		moved = error;
	else if (job->write)
		moved = pwrite(disk_fd, job->buf, XEN_PAGE, job->offset);
	else
		moved = pread(disk_fd, job->buf, XEN_PAGE, job->offset);
	io_over(pager->io, job, moved < 0 && !error ? -errno : moved);
}

void io_end_all(void)
{
	while (io_waiting)
		io_end(0, 0);
}

static void disk_flush(struct io *io)
{
}

static void disk_reap(struct io *io)
{
	unsigned int nr;

	for (nr = io_waiting; io_by_itself && nr; nr--)
		io_end(0, 0);
}

static void disk_close(struct io *io)
{
	io_waiting = 0;
	close(io->event_fd);
	free(io);
}

static const struct io_ops disk_ops = {
	.name = "simulated",
	.submit = disk_submit,
	.flush = disk_flush,
	.reap = disk_reap,
	.close = disk_close,
};

struct io *fake_io_open(int fd)
{
	struct io *io = calloc(1, sizeof(*io));

	disk_fd = fd;
	io_waiting = 0;
	io_by_itself = true;
	io_write_error = 0;
	io_read_error = 0;
	io_bad(0);
	io->ops = &disk_ops;
	io->event_fd = eventfd(1, EFD_NONBLOCK);
	return io;
}

static void start_fake(void)
{
	unsigned int i;

	fake = (struct fake) {
		.x = { .domid = 7 },
		.domain = {
			.hvm = true,
			.built = true,
			.nr_vcpus = NR_VCPUS,
			.tot_pages = NR_GFNS,
			.max_pages = NR_GFNS,
			.max_gfn = NR_GFNS - 1,
			.uuid = { 7 },
		},
		.port = -1,
	};
	/* Readable at once: with time alone the loop would take a second. */
	fake.x.event_fd = eventfd(1, EFD_NONBLOCK);
	fake.x.store_fd = eventfd(1, EFD_NONBLOCK);
	fake.memory = calloc(NR_GFNS, XEN_PAGE);
	fake.front = aligned_alloc(XEN_PAGE, XEN_PAGE);
	memset(fake.front, 0, XEN_PAGE);
	fake.ring = aligned_alloc(XEN_PAGE, XEN_PAGE << FRONT_ORDER);
	memset(fake.ring, 0, XEN_PAGE << FRONT_ORDER);
	for (i = 0; i < NR_GFNS; i++) {
		fake.has_page[i] = true;
		fake_write(i, i + 1);
	}
	for (i = 0; i < NR_VCPUS; i++)
		fake.vcpu[i].state = (struct xenif_vcpu) { .cpl = 3, .interrupts = true };
}

int start(void **state)
{
	log_quiet = true;
	collect_evictions = false;
	start_fake();
	unlink(page_file);
	assert_int_equal(start_again(), 0);
	rounds(2);
	return 0;
}

void bury(void)
{
	/* Xen's part, and that of dom0's kernel, when a pager ends. */
	fake.front_mapped = false;
	fake.ring_mapped = false;
	fake.port = -1;
	fake.nr_fired = 0;
	if (pager->io)
		io_close(pager->io);
	pager_free(pager);
	pagefile_leave(&pager->file);
	free(pager);
	pager = NULL;
}

int start_again(void)
{
	int rc;

	pager = calloc(1, sizeof(*pager));
	pager->options.pagefile = page_file;
	pager->options.depth = 8;
	pager->options.domain = "guest";
	pager->options.sync_io = true;
	pager->options.trust_guest = true;
	pager->xen = &fake.x;
	/* The same in every run, so that a seed always gives the same sequence. */
	pager->now_ns = 100000000000;
	rc = run_attach(pager);
	if (pager->io) {
		io_close(pager->io);
		pager->io = fake_io_open(pager->file.fd);
	}
	return rc;
}

int start_connected(void **state)
{
	start(state);
	front_connect("256+768");
	return 0;
}

int stop(void **state)
{
	unsigned int i;

	if (pager->io)
		io_close(pager->io);
	pager_free(pager);
	pagefile_close(&pager->file);
	free(pager);
	for (i = 0; i < fake.nr_nodes; i++) {
		free(fake.node[i].path);
		free(fake.node[i].value);
	}
	close(fake.x.event_fd);
	close(fake.x.store_fd);
	free(fake.memory);
	free(fake.front);
	free(fake.ring);
	unlink(page_file);
	return 0;
}

/* One round of the loop, with a simulated clock. */
void rounds(unsigned int nr)
{
	while (nr--) {
		pager->now_ns += 1000000;
		pager->evict.few |= !collect_evictions;
		io_reap(pager->io);
		pager_take_watches(pager);
		if (pager->pagein.waiting || pager->pagein.failing)
			pagein_retry(pager);
		pager_round(pager);
	}
}

void seconds(unsigned int nr)
{
	while (nr--) {
		pager->now_ns += 1000000000;
		pager_tick(pager);
		rounds(2);
	}
}

void take_away(unsigned int nr)
{
	unsigned int i;

	pager->target_pages = NR_GFNS - nr;
	for (i = 0; i < 1000 && pager->pages.count[PAGE_OUT] < nr; i++)
		rounds(1);
	assert_int_equal(pager->pages.count[PAGE_OUT], nr);
	pager->target_pages = UINT64_MAX;
}

/* Take one page away. Return: which one. */
uint64_t one_out(void)
{
	unsigned int gfn;

	take_away(1);
	for (gfn = 0; gfn < NR_GFNS; gfn++)
		if (fake.type[gfn] == P2M_PAGED)
			return gfn;
	fail();
	return 0;
}

void spoil(uint64_t gfn)
{
	uint32_t slot = pager->pages.page[pages_find(&pager->pages, gfn)].slot;
	uint8_t *page = aligned_alloc(XEN_PAGE, XEN_PAGE);
	uint64_t offset = pagefile_offset(&pager->file, slot);

	assert_int_equal(pread(pager->file.fd, page, XEN_PAGE, offset), XEN_PAGE);
	page[1000] ^= 1;
	assert_int_equal(pwrite(pager->file.fd, page, XEN_PAGE, offset), XEN_PAGE);
	free(page);
}

/* When nothing is under way. */
void check_balance(void)
{
	const struct stats *s = &pager->stats;

	assert_int_equal(s->requests, fake.requests);
	assert_int_equal(s->answers, fake.answers);
	assert_int_equal(s->requests, s->told + s->held + s->resident + s->dropped +
			 s->foreign);
	assert_int_equal(s->held, s->held_asked + s->held_no_frontend + s->held_mode + s->held_irqs_off +
			 s->held_event + s->held_full + s->held_failed);
	assert_int_equal(s->told, fake.injected);
	assert_int_equal(pager->pages.bugs, 0);
	if (pager->waiters.nr_told + pager->waiters.nr_held)
		return;
	assert_int_equal(s->requests, s->answers);
	assert_int_equal(s->told, s->ready);
	assert_int_equal(fake.slots_used, fake.nr_queued);
}

/* The guest has all its memory, as it left it, and no vCPU waits. */
void assert_all_back(void)
{
	unsigned int i;

	assert_int_equal(fake_away(), 0);
	for (i = 0; i < NR_VCPUS; i++)
		assert_false(fake.vcpu[i].paused);
	for (i = 0; i < NR_GFNS; i++)
		fake_verify(i);
	assert_int_equal(pager->waiters.nr_told + pager->waiters.nr_held, 0);
	assert_int_equal(pager->file.used, 0);
}

void leave_now(void)
{
	unsigned int i;

	pager->leaving = true;
	pager->bring = BRING_ALL;
	device_leave(pager);
	for (i = 0; i < 2000 && back_state() != XB_CLOSED; i++) {
		rounds(1);
		if (back_state() == XB_CLOSING)
			front_state(XB_CLOSING);
	}
	assert_int_equal(back_state(), XB_CLOSED);
	rounds(1);
	assert_int_equal(xenif_disable(pager->xen), 0);
}

void touch_all(void)
{
	unsigned int gfn, i;

	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn++) {
		for (i = 0; i < 50 && fake_touch(gfn % NR_VCPUS, gfn) != ACCESS_OK; i++) {
			rounds(2);
			front_take();
		}
		assert_int_equal(fake.type[gfn], P2M_RW);
		fake_verify(gfn);
	}
	rounds(2);
	front_take();
	assert_int_equal(fake.nr_sleepers, 0);
	assert_int_equal(fake_away(), 0);
	assert_int_equal(fake.paused, 0);
	assert_false(fake.crashed);
}

void adopted(unsigned int nr)
{
	assert_int_equal(start_again(), 0);
	assert_true(pager->file.adopt);
	assert_int_equal(pager->stats.adopted, nr);
	assert_int_equal(fake.paused, 0);
	rounds(2);
	front_take();
}
