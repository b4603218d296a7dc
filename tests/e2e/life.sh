# SPDX-License-Identifier: GPL-2.0
# Sourced by L1's /scenario.sh: guests that are saved, restored, moved and reset.
#
# Each QEMU has a TAG, "a" or "b", and its monitor on a pipe. What a guest says
# passes through this shell, a line at a time, so that it mixes with what the
# shell says; load.told=ttyS1 waits for a line in the other direction. The harness
# defines vm(), which runs QEMU in place of its shell.

# vm_start TAG [QEMU OPTION...]: in the background; sets vm_pid.
vm_start() {
	tag=$1
	shift
	rm -f "/tmp/$tag.in" "/tmp/$tag.out"
	: >"/tmp/$tag.mon"	# not what the last QEMU of that tag said
	mkfifo "/tmp/$tag.in" "/tmp/$tag.out"
	( vm -chardev file,id=con,path=/tmp/l2.con,append=on -serial chardev:con \
		-chardev pipe,id=said,path=/tmp/said -serial chardev:said \
		-chardev "pipe,id=mon,path=/tmp/$tag" -mon mon "$@" ) &
	vm_pid=$!
	cat "/tmp/$tag.out" >"/tmp/$tag.mon" &
}

# hmp TAG COMMAND: to QEMU's monitor, if QEMU is there to read it.
hmp() { timeout 60 sh -c 'echo "$1" >"$0"' "/tmp/$1.in" "$2"; }

# Pass on what the guest says until it has ended; a file for each phase tells who
# waits; that $many tasks sleep is also one. With quit_when_done QEMU ends when the
# guest is done: a reset doesn't.
many=1 quit_when_done=
pass_on() {
	cr=$(printf '\r')
	while read -r key value; do
		value=${value%"$cr"}	# the guest's terminal adds it
		tell "$key $value"
		case $key in
		phase) : >"/tmp/said.$key.$value" ;;
		asleep) [ "${value%% *}" -lt "$many" ] || : >/tmp/said.many ;;
		done) [ -z "$quit_when_done" ] || hmp a quit ;;
		exit) break ;;
		esac
	done <>/tmp/said.out
}

# await PHASE: until the guest has said so; false if it ended before.
await() {
	until [ -e "/tmp/said.phase.$1" ]; do
		kill -0 $vm_pid 2>/dev/null || return 1
		sleep 0.2
	done
}

# look: at a guest that has been silent for too long, on L1's console.
look() {
	hmp a 'info status'
	hmp a 'info registers'
	hmp a 'info lapic'
	sleep 2
	echo "=== $name is silent"
	tail -n 60 /tmp/a.mon
	for task in /proc/[0-9]*/task/*; do
		echo "$task $(cat $task/comm) $(cat $task/wchan)"
		case $(cat $task/comm) in qemu*|CPU*) cat $task/stack ;; esac
	done 2>/dev/null
	grep . /cg/l2/memory.current /cg/l2/memory.events /cg/l2/memory.stat
}

# await_many: that $many tasks sleep; false if the guest ended before.
await_many() {
	silent=0
	until [ -e /tmp/said.many ]; do
		kill -0 $vm_pid 2>/dev/null || return 1
		sleep 0.1
		silent=$((silent + 1))
		[ $silent != 400 ] || look
	done
}

# life NAME: boot a guest.
life() {
	name=$1
	tell "run $name"
	rm -f /tmp/l2.con /tmp/said.*
	mkfifo /tmp/said.in /tmp/said.out
	pass_on &
	pass_pid=$!
	vm_start a
}

# life_end: wait for the last QEMU, and for what its guest has said.
life_end() {
	wait $vm_pid
	status=$?
	[ -z "$tracing" ] || traced
	printf '\nexit %s\n' $status >/tmp/said.out
	wait $pass_pid
	console_of "$name"
}

# QEMU's children write the state; it is not to count as the group's memory.
outside='exec:echo 0 >/cg/cgroup.procs; cat'

# Save the guest, end its QEMU, restore it into a new one. Until it has been told to
# stop the disk stands still: its sleepers are to be saved, not woken, and those who
# run meanwhile join them.
restore() {
	tell "phase starve"
	sleep 3
	hmp a stop
	tell "phase save"
	hmp a "migrate \"$outside >/tmp/state\""
	hmp a quit
	wait $vm_pid || return
	vm_start a -incoming "$outside /tmp/state"
	# Saved while stopped, it waits to be continued when all of it is there.
	until grep -q 'VM status: running' /tmp/a.mon; do
		kill -0 $vm_pid || return
		hmp a cont
		hmp a 'info status'
		sleep 0.3
	done
	rm -f /tmp/said.many	# of before
	tell "phase walk"
}

# rounds N [COMMAND]: restore N times, each time when the guest has said that $many
# tasks sleep, after COMMAND.
rounds() {
	await walk || return
	round=0
	while [ $round -lt "$1" ]; do
		await_many || return
		eval "$2"
		[ ! -e /tmp/said.phase.verify ] || break
		restore || break
		round=$((round + 1))
		tell "restored $round"
	done
}

# nmis N: N of them to each vCPU, as fast as the monitor takes them.
nmis() {
	hmp a "$(for i in $(seq "$1"); do echo nmi; done)"
}

# postcopy KBYTES: move the guest to another QEMU over a channel of KBYTES/s.
# Small buffers, or each page waits behind a full one.
postcopy() {
	await walk || return
	echo 8192 >/proc/sys/net/core/wmem_default
	a_pid=$vm_pid
	rm -f /tmp/to-b /tmp/from-a
	vm_start b -incoming defer
	hmp b 'migrate_set_capability postcopy-ram on'
	hmp b 'migrate_incoming unix:/tmp/to-b'
	until [ -S /tmp/to-b ]; do
		kill -0 $vm_pid || return
		sleep 0.2
	done
	relay "$1" /tmp/from-a /tmp/to-b &
	relay_pid=$!
	until [ -S /tmp/from-a ]; do
		kill -0 $relay_pid || return
		sleep 0.2
	done
	hmp a 'migrate_set_capability postcopy-ram on'
	hmp a 'migrate -d unix:/tmp/from-a'
	sleep 1
	hmp a migrate_start_postcopy
	tell "postcopy_begin $(cut -d ' ' -f 1 /proc/uptime)"
	wait $relay_pid
	tell "postcopy_end $(cut -d ' ' -f 1 /proc/uptime)"
	hmp a quit
	wait $a_pid
}

# press MIB: take so much from the guest twice a second while it walks.
press() {
	await walk || return
	until [ -e /tmp/said.phase.verify ]; do
		kill -0 $vm_pid || return
		echo "$1M" >/cg/l2/memory.reclaim
		sleep 0.5
	done 2>/dev/null
}

# squeeze N: N times, whenever the guest asks for it, take all that can be taken, and
# tell it to go on. The kernel gives up early when its disk is slow.
squeeze() {
	for _ in $(seq "$1"); do
		await squeeze || return
		rm /tmp/said.phase.squeeze
		for _ in 1 2 3 4 5; do
			echo 1G >/cg/l2/memory.reclaim
			sleep 1
		done
		tell "squeezed $(cat /cg/l2/memory.current) $(cat /cg/l2/memory.swap.current)"
		tell "phase walk"
		echo go >/tmp/said.in
	done 2>/dev/null
}

# soak SEED SECONDS: one of these after the other, at random, for so long; then the
# guest is told that it is enough.
soak() {
	await walk || return
	dice=$1 acts=0 over=$(($(cut -d . -f 1 /proc/uptime) + $2))
	while [ "$(cut -d . -f 1 /proc/uptime)" -lt $over ]; do
		dice=$(((dice * 1103515245 + 12345) & 0x7fffffff))
		case $((dice / 65536 % 4)) in
		0) restore || return ;;
		1) nmis 10 ;;
		2) hmp a stop; sleep 2; hmp a cont ;;
		3) echo 30M >/cg/l2/memory.reclaim ;;
		esac 2>/dev/null
		kill -0 $vm_pid || return
		acts=$((acts + 1))
		sleep $((dice / 1048576 % 10 + 1))
	done
	tell "acts $acts"
	echo enough >/tmp/said.in
}

# lie N SEED: from its kernel's first word on, N times a second to each vCPU, until
# the guest verifies. lie_not, lie_error_code: see tests/patches.
lie() {
	kvm=/sys/module/kvm/parameters
	before=$(cat $kvm/lied)
	echo "$lie_not" >$kvm/lie_not
	echo "$lie_error_code" >$kvm/lie_error_code
	echo "$2" >$kvm/lie_seed
	echo "$1" >$kvm/lie
	await verify
	echo 0 >$kvm/lie
	tell "lied $(lies_since "$before")"
}

# lies_since BEFORE: how many of each kind the host told since then.
lies_since() {
	IFS=,
	set -- $1
	told=
	for n in $(cat $kvm/lied); do
		told=$told${told:+,}$((n - $1))
		shift
	done
	unset IFS
	echo "$told"
}

# lose_interrupt N: of so many READY, KVM is to lose the interrupt of one.
lose_interrupt() { echo "$1" >/sys/module/kvm/parameters/lose_interrupt; }

# trace EVENT [FILTER]: record what KVM does. traced tells what was recorded.
trace() {
	tracing=/sys/kernel/tracing
	[ -d $tracing/events ] || mount -t tracefs tracefs $tracing
	[ -z "$2" ] || echo "$2" >"$tracing/events/kvm/$1/filter"
	echo 1 >"$tracing/events/kvm/$1/enable"
}

# A vCPU's own writes to MSR_KVM_ASYNC_PF_EN, in their order, as "THREAD VALUE".
trace_msr() { trace kvm_msr 'write == 1 && ecx == 0x4b564d02'; }

traced() {
	echo 0 >$tracing/events/kvm/enable
	sed -n 's/.*-\([0-9]*\) .*msr_write 4b564d02 = 0x\([0-9a-f]*\).*/\1 \2/p' \
		$tracing/trace | while read -r written; do
		tell "en_written $written"
	done
	tell "repeated_faults $(grep -c kvm_async_pf_repeated_fault: $tracing/trace)"
	echo >$tracing/trace
	tracing=
}
