/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which instructions the kernel emulates under a uprobe, by asking it: one that it must single-step is copied to the page [uprobes],
 * which the process has from then on. So a process that met only emulated ones has none.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/tls/insn.h"
#include "lib/cleanup.h"
#include "tests/tap.h"

/* Each begins with the instruction in question. None is inlined or moved. */
#define CODE(name, text) \
	void code_##name(void); \
	__asm__(".text\n.p2align 6\n.globl code_" #name "\n.type code_" #name ",@function\ncode_" #name ":\n" text "\n.size code_" #name ",.-code_" #name "\n")
CODE(nop, "nop\nret");
CODE(nop5, ".byte 0x0f,0x1f,0x44,0,0\nret");
CODE(push, "push %rbx\npop %rbx\nret");
CODE(push_r12, "push %r12\npop %r12\nret");
CODE(call, "call 1f\nret\n1: ret");
CODE(jmp, "jmp 1f\n1: ret");
CODE(jmp_near, ".byte 0xe9,0,0,0,0\nret");
CODE(je, "je 1f\n1: ret");
CODE(jbe_near, ".byte 0x0f,0x86,0,0,0,0\nret");
CODE(js, "js 1f\n1: ret");
CODE(sub, "sub $8,%rsp\nadd $8,%rsp\nret");
CODE(mov, "mov %rdi,%rax\nret");
CODE(test, "test %rdi,%rdi\nret");
CODE(xor, "xor %eax,%eax\nret");
CODE(lea, "lea 8(%rsp),%rax\nret");
CODE(pop, "pop %rax\npush %rax\nret");
CODE(ret, "ret");
CODE(endbr64, "endbr64\nret");

static const struct {
	const char *name;
	void (*run)(void);
	enum tls_insn_class wanted;
} codes[] = {
#define ROW(name, cls) { #name, code_##name, TLS_INSN_##cls }
	ROW(nop, EMULATED), ROW(nop5, NOP5), ROW(push, EMULATED), ROW(push_r12, EMULATED), ROW(call, EMULATED), ROW(jmp, EMULATED),
	ROW(jmp_near, EMULATED), ROW(je, EMULATED), ROW(jbe_near, EMULATED), ROW(js, EMULATED), ROW(sub, STEPPED), ROW(mov, STEPPED),
	ROW(test, STEPPED), ROW(xor, STEPPED), ROW(lea, STEPPED), ROW(pop, STEPPED), ROW(ret, STEPPED),
	ROW(endbr64, STEPPED),
};

/* Where in the file an address of this program lies, by its own mappings. */
static bool file_offset(const void *p, uint64_t *ret_offset)
{
	unsigned long start, end, offset, at = (unsigned long)p;
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 && at >= start && at < end) {
			*ret_offset = at - start + offset;
			found = true;
		}
	if (f)
		fclose(f);
	return found;
}

static bool has_page(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;

	while (f && fgets(line, sizeof(line), f))
		found |= strstr(line, "[uprobes]") != NULL;
	if (f)
		fclose(f);
	return found;
}

static int probe_type(void)
{
	FILE *f = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	int type = -1;

	if (f && fscanf(f, "%d", &type) != 1)
		type = -1;
	if (f)
		fclose(f);
	return type;
}

/* A uprobe of one process, which counts its hits. */
static int probe(uint64_t offset, pid_t pid)
{
	struct perf_event_attr a = { .type = (uint32_t)probe_type(), .size = sizeof(a), .uprobe_path = (uint64_t)(uintptr_t)"/proc/self/exe",
				     .probe_offset = offset };

	return (int)syscall(SYS_perf_event_open, &a, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Runs a probed function in a child. 1: the kernel made the page of single steps, 0: it did not, -1: it could not be tried. */
static int is_stepped(void (*run)(void))
{
	_cleanup_close_ int fd = -1;
	uint64_t offset, hits = 0;
	int go[2], status;
	pid_t pid;
	char c = 'g';

	if (!file_offset((const void *)run, &offset) || pipe2(go, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		close(go[1]);
		if (read(go[0], &c, 1) != 1)
			_exit(9);
		run();
		_exit(has_page());
	}
	close(go[0]);
	fd = probe(offset, pid);
	if (fd < 0 || write(go[1], &c, 1) != 1)
		kill(pid, SIGKILL);
	close(go[1]);
	waitpid(pid, &status, 0);
	if (fd < 0 || read(fd, &hits, sizeof(hits)) != sizeof(hits) || hits != 1 || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return -1;
	return WEXITSTATUS(status);
}

/* Since 6.16 the kernel emulates the five-byte nop. */
static bool knows_nop5(void)
{
	unsigned major = 0, minor = 0;
	struct utsname u;

	return !uname(&u) && sscanf(u.release, "%u.%u", &major, &minor) == 2 && (major > 6 || (major == 6 && minor >= 16));
}

/* A kernel that emulates more than we believe costs nothing; one that emulates less does. */
static void as_the_kernel_does(void)
{
	unsigned tried = 0, seen_stepped = 0;

	if (geteuid() || probe_type() < 0)
		skip("no uprobes for us");
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct insn insn;
		int stepped = is_stepped(codes[i].run);

		must(!insn_decode((const uint8_t *)(uintptr_t)codes[i].run, 16, 0x1000, &insn));
		printf("# %-9s we say %d, stepped %d\n", codes[i].name, insn.cls, stepped);
		ok_int(insn.cls, codes[i].wanted);
		if (insn.cls == TLS_INSN_EMULATED || (insn.cls == TLS_INSN_NOP5 && knows_nop5()))
			ok_int(stepped, 0);
		tried += stepped >= 0;
		seen_stepped += stepped > 0;
	}
	ok(seen_stepped > 0); /* else the page says nothing */
	ok_int(tried, sizeof(codes) / sizeof(codes[0]));
}

static const struct tap_case cases[] = { CASE(as_the_kernel_does) };
TAP_MAIN(cases)
