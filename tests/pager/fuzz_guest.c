// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer: a hostile guest. Whatever it writes, touches and gives away, the pager
 * survives, does a bounded amount of work, and in the end has brought back every page
 * as it was.
 *
 * An input is lines of a letter and numbers or a text, see take_line(). So the files in
 * corpus/ can be read, and written by hand. The simulated Xen of the other tests checks
 * each call.
 */

#include <stdio.h>
#include <unistd.h>

#include "fake.h"

#define MAX_LINES	400

static const char * const node[] = {
	"version", "front-ref", "ring-page-order", "ring-ref0", "ring-ref1",
	"event-channel", "max-outstanding", "offer", "offer-serial", "state", "feature-clear",
};

static void write_node(const char *text)
{
	char *rest;
	unsigned long which = strtoul(text, &rest, 10);

	front_node(node[which % (sizeof(node) / sizeof(*node))],
		   *rest == ' ' ? rest + 1 : NULL);
}

static void touch(unsigned long vcpu, uint64_t gfn, char how)
{
	struct fake_vcpu *v = &fake.vcpu[vcpu];

	if (v->paused)
		return;
	/* The guest's sleepers don't matter here, so READY does nothing. */
	fake.nr_sleepers = 0;
	v->state.rip = 0;
	if (how == 'w')
		fake_walk(vcpu, gfn);
	else if (how == 'c')
		fake_clear(vcpu, gfn);
	else
		fake_touch(vcpu, gfn);
}

/* The guest writes into its front page, at any time. */
static void scribble(unsigned long where, unsigned long what)
{
	switch (where % 5) {
	case 0:
		fake.front->cons = what;
		break;
	case 1:
		fake.front->event = what;
		break;
	case 2:
		fake.front->clear_ip = what;
		break;
	case 3:
		fake.front->clear_base = what;
		break;
	default:
		fake.front->tell[where % NR_VCPUS] = what;
	}
}

static void end_io(unsigned long nth)
{
	if (io_waiting)
		io_end(nth % io_waiting, 0);
}

static void memory(char what, uint64_t gfn)
{
	switch (what) {
	case 'x':
		fake_foreign(gfn);
		break;
	case 'd':
		/* It uses neither its ring nor its kernel. */
		if (gfn >= FIRST_GFN)
			fake_drop(gfn);
		break;
	case 'f':
		fake_fill(gfn);
		break;
	case 'm':
		fake.free_pages = gfn % 64;
		break;
	}
}

static void take_line(const char *line)
{
	unsigned long a = 0, b = 0;

	if (line[0] == 'n') {
		write_node(line + 1);
		return;
	}
	sscanf(line + 1, "%lu %lu", &a, &b);
	switch (line[0]) {
	case 's':			/* scribble: where, what */
		scribble(a, b);
		break;
	case 't':			/* touch, walk over, or clear: vCPU, gfn */
	case 'w':
	case 'c':
		touch(a % NR_VCPUS, b % NR_GFNS, line[0]);
		break;
	case 'v':			/* state of a vCPU: which, what */
		fake.vcpu[a % NR_VCPUS].state = (struct xenif_vcpu) {
			.cpl = b & 3, .interrupts = b & 4, .event = b & 8 };
		break;
	case 'i':			/* a read or write ends: which one */
		end_io(a);
		break;
	case 'k':			/* memory that it may keep: pages */
		pager->target_pages = a % NR_GFNS;
		break;
	case 'r':			/* rounds of the loop; seconds */
		rounds(1 + a % 8);
		break;
	case 'z':
		seconds(1 + a % 70);
		break;
	default:			/* foreign touch, drop, fill; free memory */
		memory(line[0], a % NR_GFNS);
	}
}

/* At the end all pages are still there. */
static void must_be_well(void)
{
	unsigned int i;

	fake.free_pages = 2 * NR_GFNS;
	io_by_itself = true;
	pager->target_pages = UINT64_MAX;
	pager->leaving = true;
	pager->bring = BRING_ALL;
	device_leave(pager);
	for (i = 0; i < 3000 && !(device_closed(&pager->device) && drain_done(pager)); i++) {
		rounds(1);
		fake.nr_sleepers = 0;
		if (back_state() == XB_CLOSING)
			front_state(XB_CLOSED);
	}
	rounds(3);
	assert_true(device_closed(&pager->device));
	assert_all_back();
	assert_int_equal(pager->pages.bugs, 0);
	assert_int_equal(pager->stats.requests, pager->stats.answers);
	assert_false(fake.crashed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *line, *rest = text;
	unsigned int lines = 0;

	snprintf(page_file, sizeof(page_file), "/dev/shm/pvfault-fuzz.%d", getpid());
	fake_first_gfn = 0;	/* it may offer whatever it has */
	start(NULL);
	io_by_itself = false;
	while ((line = strsep(&rest, "\n")) && lines++ < MAX_LINES)
		take_line(line);
	must_be_well();
	stop(NULL);
	free(text);
	return 0;
}
