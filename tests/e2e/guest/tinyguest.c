// SPDX-License-Identifier: GPL-2.0
/*
 * A guest of a guest: thirty lines on /dev/kvm.
 *
 * It walks memory in 32-bit protected mode at CPL 3 (its host notifies only user mode)
 * and compares each page with its address.
 * When the outer host has swapped a page that this guest touches, the
 * notification reaches the kernel in the middle as a #PF vmexit.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "tinyguest.h"

#define GUEST_SIZE	0x00c00000	/* 12 MiB */
#define WALK_FROM	0x00100000

/* Port 0x10 tells: 1 after each walk, 2 for a wrong page. */
asm(".pushsection .rodata\n"
    "tiny_code:\n"
    ".code32\n"
    "0:	mov $0x00100000, %ebx\n"
    "1:	cmp %ebx, (%ebx)\n"
    "	jne 2f\n"
    "	add $4096, %ebx\n"
    "	cmp $0x00c00000, %ebx\n"
    "	jb 1b\n"
    "	mov $1, %al\n"
    "	out %al, $0x10\n"
    "	jmp 0b\n"
    "2:	mov $2, %al\n"
    "	out %al, $0x10\n"
    "	jmp 0b\n"
#ifdef __x86_64__
    ".code64\n"
#endif
    "tiny_code_end:\n"
    ".popsection\n");
extern const char tiny_code[], tiny_code_end[];

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static void flat_user_segments(struct kvm_sregs *s)
{
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 0x0b, .type = 3, .present = 1,
		.dpl = 3, .db = 1, .s = 1, .g = 1,
	};

	s->ds = s->es = s->fs = s->gs = s->ss = data;
	s->cs = data;
	s->cs.selector = 0x13;
	s->cs.type = 11;
	s->cr0 |= 1;
}

static int run_guest(void)
{
	int kvm = open("/dev/kvm", O_RDWR), vm = ioctl(kvm, KVM_CREATE_VM, 0);
	int cpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	char *mem = mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = {
		.memory_size = GUEST_SIZE, .userspace_addr = (uintptr_t)mem,
	};
	struct kvm_regs regs = { .rip = 0x1000, .rflags = 0x3002 /* IOPL 3 */ };
	unsigned long walks = 0, wrong = 0;
	struct kvm_sregs sregs;
	struct kvm_run *run;

	if (kvm < 0 || vm < 0 || cpu < 0 || mem == MAP_FAILED)
		return 1;
	madvise(mem, GUEST_SIZE, MADV_NOHUGEPAGE);
	memcpy(mem + 0x1000, tiny_code, tiny_code_end - tiny_code);
	for (uint32_t at = WALK_FROM; at < GUEST_SIZE; at += 4096)
		memcpy(mem + at, &at, sizeof(at));
	run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
		   PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
	if (run == MAP_FAILED ||
	    ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) ||
	    ioctl(cpu, KVM_GET_SREGS, &sregs))
		return 1;
	flat_user_segments(&sregs);
	if (ioctl(cpu, KVM_SET_SREGS, &sregs) || ioctl(cpu, KVM_SET_REGS, &regs))
		return 1;

	while (!stop) {
		if (ioctl(cpu, KVM_RUN, 0)) {
			if (errno == EINTR)
				continue;
			report("nested_error %d", errno);
			return 1;
		}
		if (run->exit_reason != KVM_EXIT_IO) {
			report("nested_exit %u", run->exit_reason);
			return 1;
		}
		if (*((unsigned char *)run + run->io.data_offset) == 1)
			walks++;
		else
			wrong++;
		/* Let the memory grow cold, so that the host takes it away. */
		sleep(2);
	}
	report("nested_walks %lu", walks);
	report("nested_wrong %lu", wrong);
	return 0;
}

pid_t tiny_guest_start(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct sigaction sa = { .sa_handler = on_term };

		sigaction(SIGTERM, &sa, NULL);
		exit(run_guest());
	}
	return pid;
}

void tiny_guest_stop(pid_t pid)
{
	if (pid > 0)
		kill(pid, SIGTERM);
}
