// SPDX-License-Identifier: GPL-2.0
/*
 * The conformance kit: a #PF whose frame, error code and CR2 are made by hand.
 *
 * What a processor pushes for an exception is pushed here, and what follows is the
 * kernel's own: the entry of #PF, the hook, the recogniser, and the way back to the
 * address in the frame.
 *
 * objtool doesn't look at these functions: their stack is the frame's.
 */

#include <linux/cpufeature.h>
#include <linux/irqflags.h>
#include <linux/kasan.h>
#include <linux/objtool.h>
#include <linux/preempt.h>

#include <asm/asm.h>
#include <asm/idtentry.h>
#include <asm/processor-flags.h>
#include <asm/segment.h>
#include <asm/smap.h>
#include <asm/special_insns.h>

#include "kit.h"

static noinline long inject_kernel(unsigned long error_code, unsigned long flags,
				   const void *from)
{
	long err = 0;

	asm volatile("	movq	%%rsp, %%rdx\n"
		     "	andq	$-16, %%rsp\n"
		     "	pushq	%[ss]\n"
		     "	pushq	%%rdx\n"
		     "	pushq	%[flags]\n"
		     "	pushq	%[cs]\n"
		     "	leaq	1f(%%rip), %%rdx\n"
		     "	pushq	%%rdx\n"
		     "	pushq	%[error_code]\n"
		     "	jmp	asm_exc_page_fault\n"
		     "1:	movb	(%[from]), %%dl\n"
		     "	jmp	3f\n"
		     "2:	movq	%[efault], %[err]\n"
		     "3:\n"
		     _ASM_EXTABLE_UA(1b, 2b)
		     : [err] "+r" (err)
		     : [ss] "i" (__KERNEL_DS), [cs] "i" (__KERNEL_CS), [flags] "r" (flags),
		       [error_code] "r" (error_code), [from] "r" (from), [efault] "i" (-EFAULT)
		     : "rdx", "memory", "cc");
	if (flags & X86_EFLAGS_AC)
		clac();
	return err;
}

STACK_FRAME_NON_STANDARD(inject_kernel);

/**
 * pvfault_test_inject() - a #PF in kernel mode, at an access to user memory
 * @fault: its error code and CR2
 * @flags: X86_EFLAGS_IF, if interrupts are on where it comes
 * @from: what the instruction loads when it is retried
 *
 * Context: interrupts off. The instruction itself is retried with @flags.
 * Return: 0 if the instruction was retried, because the #PF was a notification;
 * -EFAULT if it was taken for a genuine fault.
 */
long pvfault_test_inject(const struct pvfault_test_fault *fault, unsigned long flags,
			 const void *from)
{
	long err;

	flags |= X86_EFLAGS_FIXED;
	if (cpu_feature_enabled(X86_FEATURE_SMAP))
		flags |= X86_EFLAGS_AC;
	native_write_cr2(fault->address);
	err = inject_kernel(fault->error_code, flags, from);
	if (flags & X86_EFLAGS_IF)
		local_irq_disable();
	return err;
}

/*
 * What the task runs in user mode: it loads from where it was told, says so, counts
 * to a number, and exits.
 */
asm(
	".pushsection .rodata\n"
	"kit_user_code:\n"
	"	movb	(%rdi), %al\n"
	"	movb	$1, (%rdi)\n"
	"1:	decq	%rcx\n"
	"	jg	1b\n"
	"	xorl	%edi, %edi\n"
	"	movl	$60, %eax\n"	/* exit */
	"	syscall\n"
	"kit_user_code_end:\n"
	".popsection\n");

/**
 * kit_user_code_size() - how long the code is that kit_inject_user() needs
 * @code: set to where it is to be copied from
 *
 * Context: any.
 * Return: octets.
 */
size_t kit_user_code_size(const void **code)
{
	*code = kit_user_code;
	return kit_user_code_end - kit_user_code;
}

/*
 * From here it is as if user mode had been interrupted: the entry switches to user
 * mode's GS and stack, and finds the kernel's.
 */
static noinline void inject_user(unsigned long error_code, unsigned long ip, unsigned long data,
				 unsigned long spin)
{
	asm volatile("	andq	$-16, %%rsp\n"
		     "	pushq	%[ss]\n"
		     "	pushq	%[data]\n"
		     "	pushq	%[flags]\n"
		     "	pushq	%[cs]\n"
		     "	pushq	%[ip]\n"
		     "	pushq	%[error_code]\n"
		     "	swapgs\n"
		     "	jmp	asm_exc_page_fault\n"
		     :
		     : [ss] "i" (__USER_DS), [cs] "i" (__USER_CS), [ip] "r" (ip),
		       [flags] "i" (X86_EFLAGS_IF | X86_EFLAGS_FIXED),
		       [error_code] "r" (error_code), [data] "D" (data),
		       "c" (spin)
		     : "memory");
}

STACK_FRAME_NON_STANDARD(inject_user);

/**
 * kit_inject_user() - a #PF in user mode, in this task
 * @fault: its error code and CR2
 * @ip: where user memory has the code of kit_user_code_size()
 * @data: user memory, of which one octet becomes 1 when the task goes on
 * @spin: so far it counts then
 *
 * Doesn't return: the task goes on in user mode, and exits.
 *
 * Context: a task made by user_mode_thread(), interrupts off.
 */
void kit_inject_user(const struct pvfault_test_fault *fault, unsigned long ip,
		     unsigned long data, unsigned long spin)
{
	/* Nobody returns through the frames that are on this stack. */
	kasan_unpoison_task_stack(current);
	native_write_cr2(fault->address);
	inject_user(fault->error_code, ip, data, spin);
}
