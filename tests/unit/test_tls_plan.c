/* SPDX-License-Identifier: Apache-2.0 */
/* What is probed: in small libraries made of assembler, where the right answer is known, and in the installed OpenSSL. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "agent/tls/plan.h"
#include "agent/tls/stacks.h"
#include "lib/cleanup.h"
#include "tests/tap.h"

#define FUNC(name, body) ".globl " name "\n.type " name ",@function\n" name ":\n" body "\n.size " name ",.-" name "\n"
#define INNER(name, body) ".type " name ",@function\n" name ":\n" body "\n.size " name ",.-" name "\n"
#define PADDING ".p2align 6,0xcc\n"

static char dir[] = "/tmp/test_tls_plan.XXXXXX";

/* Assembles `text` into a shared library. Returns it opened, and its path for symbol_at(). */
static int build(const char *text, char *ret_path, size_t n)
{
	static unsigned made;
	char command[512], source[128];
	FILE *f;

	if (!made && !mkdtemp(dir))
		return -1;
	snprintf(ret_path, n, "%s/lib%u.so", dir, ++made);
	snprintf(source, sizeof(source), "%s/lib%u.s", dir, made);
	f = fopen(source, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		return -1;
	snprintf(command, sizeof(command), "gcc -shared -nostdlib -Wl,--build-id -o %s %s", ret_path, source);
	if (system(command))
		return -1;
	return open(ret_path, O_RDONLY | O_CLOEXEC);
}

static struct tls_plan plan_of(const char *text)
{
	struct tls_plan p = { 0 };
	char path[128];
	_cleanup_close_ int fd = build(text, path, sizeof(path));

	ok(fd >= 0);
	ok_int(tls_plan_file(fd, &p), 0);
	return p;
}

/* Says of a site what a test names it by: "SSL_read+3 entry emulated". */
static const char *site_text(const struct tls_site *s)
{
	static const char *const kinds[] = { "", "entry", "return", "ret" }, *const classes[] = { "unknown", "nop5", "emulated", "stepped" };
	static char b[160];

	snprintf(b, sizeof(b), "%s %s %s", s->symbol, kinds[s->kind], classes[s->insn]);
	return b;
}

/* The plan has exactly these sites, in any order; NULL ends them. */
static void check_sites(struct tls_plan *p, const char *const *wanted)
{
	unsigned n = 0;

	for (; wanted[n]; n++) {
		unsigned have = 0;

		for (unsigned i = 0; i < p->nsites; i++)
			have += !strcmp(site_text(&p->sites[i]), wanted[n]);
		if (have != 1)
			printf("# %u of %s\n", have, wanted[n]);
		ok_int(have, 1);
	}
	if (n != p->nsites)
		for (unsigned i = 0; i < p->nsites; i++)
			printf("# has %s\n", site_text(&p->sites[i]));
	ok_int(p->nsites, n);
	for (unsigned i = 1; i < p->nsites; i++)
		ok(p->sites[i - 1].offset < p->sites[i].offset ||
		   (p->sites[i - 1].offset == p->sites[i].offset && p->sites[i - 1].kind < p->sites[i].kind));
}
#define SITES(p, ...) check_sites(p, (const char *const[]){ __VA_ARGS__, NULL })

static void emulated_is_preferred(void)
{
	struct tls_plan p = plan_of(FUNC("SSL_read", "test %rdi,%rdi\nje 1f\nsub $8,%rsp\n1: ret") PADDING
				    FUNC("SSL_write", "endbr64\npush %rbx\nmov %rdi,%rbx\npop %rbx\nret") PADDING
				    FUNC("SSL_free", "sub $8,%rsp\ncall 1f\n1: add $8,%rsp\nret") PADDING
				    FUNC("SSL_set_fd", ".byte 0x0f,0x1f,0x44,0,0\nret"));

	SITES(&p, "SSL_read+3 entry emulated", "SSL_read+3 return emulated", "SSL_write+4 entry emulated", "SSL_write+4 return emulated",
	      "SSL_free+4 entry emulated", "SSL_set_fd+0 entry nop5");
	ok_str(p.stack, "openssl");
	ok_str(p.why, "");
	ok(p.uses_tls);
	ok_int(strlen(p.build_id), 40);
	tls_plan_done(&p);
	ok(!p.sites && !p.nsites);
}

/* Nothing that was moved, and no return address that is not on top of the stack. */
static void arguments_stay_where_they_are(void)
{
	struct tls_plan p = plan_of(FUNC("SSL_read", "mov %rdx,%rsi\npush %rbx\npop %rbx\nret") PADDING
				    FUNC("SSL_write", "sub $8,%rsp\npush %rbx\npop %rbx\nadd $8,%rsp\nret") PADDING
				    FUNC("SSL_free", "xor %edi,%edi\njmp 1f\n1: ret") PADDING
				    FUNC("SSL_peek", "mov %ecx,%eax\nmov $1,%ecx\njmp 1f\n1: ret"));

	SITES(&p, "SSL_read+0 entry stepped", "SSL_read+0 return stepped", "SSL_write+0 entry stepped", "SSL_write+0 return stepped",
	      "SSL_free+0 entry stepped", "SSL_peek+7 entry emulated", "SSL_peek+7 return emulated");
	tls_plan_done(&p);
}

/* An instruction that the function jumps back to would be hit twice, with another stack. */
static void loops_are_not_probed(void)
{
	struct tls_plan p = plan_of(FUNC("SSL_read", "test %rdi,%rdi\n1: push %rbx\npop %rbx\ndec %rsi\njne 1b\nret") PADDING
				    FUNC("SSL_write", "push %rbx\npop %rbx\ndec %rsi\njne SSL_write\nret"));

	SITES(&p, "SSL_read+0 entry stepped", "SSL_read+0 return stepped", "SSL_write+0 entry emulated", "SSL_write+0 return emulated");
	tls_plan_done(&p);
}

#define OUTER(inner) "sub $24,%rsp\ntest %edx,%edx\njs 1f\nmov %rsp,%rcx\nmovslq %edx,%rdx\ncall " inner "\n1: add $24,%rsp\nret"
#define OUTER_EX(inner) "sub $8,%rsp\ncall " inner "\nadd $8,%rsp\nret"

static void one_pair_for_both(void)
{
	struct tls_plan p = plan_of(INNER("ri", "push %rbx\npop %rbx\nret") PADDING INNER("wi", "push %r12\npop %r12\nret") PADDING
				    INNER("pi", "push %r12\npop %r12\nret") PADDING
				    FUNC("SSL_read", OUTER("ri")) FUNC("SSL_read_ex", OUTER_EX("ri")) FUNC("SSL_peek", OUTER("pi"))
				    FUNC("SSL_peek_ex", OUTER_EX("pi")) FUNC("SSL_write", OUTER("wi")) FUNC("SSL_write_ex", OUTER_EX("wi"))
				    FUNC("SSL_read_early_data", "push %rbx\ncall SSL_read_ex@plt\npop %rbx\nret"));

	SITES(&p, "SSL_read_ex -> ssl_read_internal+0 entry emulated", "SSL_read_ex -> ssl_read_internal+0 return emulated",
	      "SSL_write_ex -> ssl_write_internal+0 entry emulated", "SSL_write_ex -> ssl_write_internal+0 return emulated",
	      "SSL_peek_ex -> ssl_peek_internal+0 entry emulated", "SSL_peek_ex -> ssl_peek_internal+0 return emulated");
	for (unsigned i = 0; i < p.nsites; i++)
		ok(!strstr(p.sites[i].symbol, "peek") == !(tls_funcs[p.sites[i].func].k.flags & HT_TLS_F_PEEK));
	tls_plan_done(&p);
}

/* 3.2: SSL_write_ex is SSL_write_ex2 without flags, and the inner function's fifth argument says how much. */
static void flags_move_the_arguments(void)
{
	struct tls_plan p = plan_of(INNER("wi", "push %r12\npop %r12\nret") PADDING
				    FUNC("SSL_write_ex2", OUTER_EX("wi")) FUNC("SSL_write_ex", "mov %rcx,%r8\nxor %ecx,%ecx\njmp SSL_write_ex2@plt")
				    FUNC("SSL_write", "sub $24,%rsp\nmov %rsp,%r8\nxor %ecx,%ecx\ncall wi\nadd $24,%rsp\nret")
				    FUNC("SSL_read", "push %rbx\npop %rbx\nret"));

	SITES(&p, "SSL_write_ex2 -> ssl_write_internal+0 entry emulated", "SSL_write_ex2 -> ssl_write_internal+0 return emulated",
	      "SSL_read+0 entry emulated", "SSL_read+0 return emulated");
	for (unsigned i = 0; i < p.nsites; i++)
		if (tls_funcs[p.sites[i].func].k.op == HT_TLS_WRITE)
			ok_int(tls_funcs[p.sites[i].func].k.done, 5);
	tls_plan_done(&p);
}

/* The same in a static program that has no SSL_write_ex2. */
static void flags_without_their_function(void)
{
	struct tls_plan p = plan_of(INNER("wi", "push %r12\npop %r12\nret") PADDING
				    FUNC("SSL_write_ex", "sub $8,%rsp\nmov %rcx,%r8\nxor %ecx,%ecx\ncall wi\nadd $8,%rsp\nret")
				    FUNC("SSL_write", "sub $24,%rsp\nmov %rsp,%r8\nxor %ecx,%ecx\ncall wi\nadd $24,%rsp\nret"));

	SITES(&p, "SSL_write_ex -> ssl_write_internal+0 entry emulated", "SSL_write_ex -> ssl_write_internal+0 return emulated");
	ok_int(tls_funcs[p.sites[0].func].k.done, 5);
	tls_plan_done(&p);
}

static void wrappers_are_left_out(void)
{
	struct tls_plan p = plan_of(FUNC("SSL_read", "push %rbx\ncall gnutls_record_recv@plt\npop %rbx\nret") FUNC("SSL_write", "push %rbx\npop %rbx\nret"));

	ok_int(p.nsites, 0);
	ok(strstr(p.why, "gnutls"));
	ok(!p.uses_tls);
	tls_plan_done(&p);
}

/* What peeks go through too cannot be the place where reads are counted. */
static void peeks_are_no_data(void)
{
	struct tls_plan p = plan_of(INNER("ri", "push %rbx\npop %rbx\nret") PADDING FUNC("SSL_read", OUTER("ri")) FUNC("SSL_read_ex", OUTER_EX("ri"))
				    FUNC("SSL_peek", OUTER("ri")) FUNC("SSL_write", "push %rbx\npop %rbx\nret"));

	SITES(&p, "SSL_read+0 entry stepped", "SSL_read+0 return stepped", "SSL_read_ex+0 entry stepped", "SSL_read_ex+0 return stepped",
	      "SSL_peek+0 entry stepped", "SSL_peek+0 return stepped", "SSL_write+0 entry emulated", "SSL_write+0 return emulated");
	tls_plan_done(&p);
}

static void boringssl_reads_are_peeks(void)
{
	const char *text = FUNC("SSL_peek", "push %rbx\npop %rbx\nret") PADDING FUNC("SSL_read", "push %rbx\ncall SSL_peek\npop %rbx\nret") PADDING
			   FUNC("SSL_write", "push %rbx\npop %rbx\nret") FUNC("SSL_CTX_set_custom_verify", "ret");
	struct tls_plan p = plan_of(text);

	SITES(&p, "SSL_read+0 entry emulated", "SSL_read+0 return emulated", "SSL_write+0 entry emulated", "SSL_write+0 return emulated");
	ok_str(p.stack, "boringssl");
	tls_plan_done(&p);
	/* the same without the function that tells it: the peek that a read is made of is left out too */
	p = plan_of(FUNC("SSL_peek", "push %rbx\npop %rbx\nret") PADDING FUNC("SSL_read", "push %rbx\ncall SSL_peek@plt\npop %rbx\nret"));
	SITES(&p, "SSL_read+0 entry emulated", "SSL_read+0 return emulated");
	ok_str(p.why, "no function that writes was found");
	tls_plan_done(&p);
}

static void gnutls_sends_once(void)
{
	struct tls_plan p = plan_of(FUNC("gnutls_record_send2", "push %rbx\npop %rbx\nret") PADDING
				    FUNC("gnutls_record_send", "xor %r8d,%r8d\nxor %ecx,%ecx\njmp gnutls_record_send2@plt") PADDING
				    FUNC("gnutls_record_uncork", "push %rbx\ncall gnutls_record_send@plt\npop %rbx\nret") PADDING
				    FUNC("gnutls_record_send_file", "push %rbx\ncall gnutls_record_send@plt\npop %rbx\nret") PADDING
				    FUNC("gnutls_record_recv", "push %rbx\npop %rbx\nret"));

	SITES(&p, "gnutls_record_send2+0 entry emulated", "gnutls_record_send2+0 return emulated", "gnutls_record_uncork+0 entry emulated",
	      "gnutls_record_uncork+0 return emulated", "gnutls_record_recv+0 entry emulated", "gnutls_record_recv+0 return emulated");
	ok_str(p.stack, "gnutls");
	tls_plan_done(&p);
}

static void rust_by_its_names(void)
{
	struct tls_plan p = plan_of(FUNC("_ZN67_$LT$rustls..conn..Writer$u20$as$u20$std..io..Write$GT$5write17h0123456789abcdefE", "push %rbx\npop %rbx\nret")
				    FUNC("_ZN67_$LT$rustls..conn..Writer$u20$as$u20$std..io..Write$GT$14write_vectored17h0123456789abcdefE", "push %rbx\npop %rbx\nret")
				    FUNC("_ZN67_$LT$rustls..conn..Writer$u20$as$u20$std..io..Write$GT$9write_all17h0123456789abcdefE", "push %rbx\npop %rbx\nret")
				    FUNC("_ZN67_$LT$rustls..conn..Reader$u20$as$u20$std..io..Read$GT$4read17h0123456789abcdefE", "push %rax\npop %rax\nret"));

	SITES(&p, "rustls::Writer::write+0 entry emulated", "rustls::Writer::write+0 return emulated", "rustls::Writer::write_vectored+0 entry emulated",
	      "rustls::Writer::write_vectored+0 return emulated", "rustls::Reader::read+0 entry emulated",
	      "rustls::Reader::read+0 return emulated");
	tls_plan_done(&p);
	p = plan_of(FUNC("_RNvXs5_NtCslc3V4U2pIXw_6rustls4connNtB5_6WriterNtNtCsjrHSEGnQ3l9_3std2io5Write5write", "mov (%rdi),%rax\njmp *%rax")
		    FUNC("_RNvXs5_NtCslc3V4U2pIXw_6rustls4connNtB5_6WriterNtNtCsjrHSEGnQ3l9_3std2io5Write14write_vectored", "push %rbx\npop %rbx\nret")
		    FUNC("_RNvXs2_NtCslc3V4U2pIXw_6rustls4connNtB5_6ReaderNtNtCsjrHSEGnQ3l9_3std2io4Read4read", "push %rax\npop %rax\nret"));
	SITES(&p, "rustls::Writer::write+0 entry stepped", "rustls::Writer::write+0 return stepped", "rustls::Writer::write_vectored+0 entry emulated",
	      "rustls::Writer::write_vectored+0 return emulated", "rustls::Reader::read+0 entry emulated",
	      "rustls::Reader::read+0 return emulated");
	tls_plan_done(&p);
}

#define RUST_WRITER FUNC("_ZN55_$LT$rustls..conn..Writer$u20$as$u20$std..io..Write$GT$5write17h0123456789abcdefE", "push %rbx\npop %rbx\nret")
#define IDENT(text) ".ident \"" text "\"\n"

/* Where a result is depends on the compiler, which says who it is unless it is older still. */
static void rust_by_its_compiler(void)
{
	static const struct {
		const char *text;
		bool old;
	} rows[] = {
		{ RUST_WRITER IDENT("GCC: (Debian 12.2.0) 12.2.0"), true },
		{ RUST_WRITER IDENT("rustc version 1.78.0 (9b00956e5 2024-04-29)"), true },
		{ RUST_WRITER IDENT("rustc version 1.79.0 (129f3b996 2024-06-10)"), false },
		{ RUST_WRITER IDENT("rustc version 1.78.0 (x)") IDENT("rustc version 1.100.1-nightly (y)") IDENT("GCC: 12"), false },
		{ RUST_WRITER IDENT("rustc version 1."), true },
		{ RUST_WRITER, false },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_plan p = plan_of(rows[i].text);

		must(p.nsites == 2);
		ok_str(tls_funcs[p.sites[0].func].symbol, rows[i].old ? "rustls::Writer::write, 1.78" : "rustls::Writer::write");
		tls_plan_done(&p);
	}
}

/* A Go program's parts: two functions, their table in a layout, the version. The table's addresses are the loader's to fill in. */
#define GO_BODY(check, more) check "\njbe 9f\nsub $24,%rsp\ntest %rax,%rax\nje 1f\nadd $24,%rsp\nret\n1: " more "\nadd $24,%rsp\nret\n9: call grow\njmp "
#define GO_CODE(check, more) ".globl text\n.text\n.zero 64\ntext: .p2align 5\ngrow: ret\n.p2align 5,0xcc\nread: " GO_BODY(check, more) "read\n.p2align 5,0xcc\nclose: " \
			     GO_BODY(check, "nop") "close\n.p2align 5,0xcc\nend:\n"
#define GO_NAMED(one, two) "names: .asciz \"" one "\"\nname2: .asciz \"" two "\"\n.balign 8\n"
#define GO_NAMES GO_NAMED("crypto/tls.(*Conn).Read", "crypto/tls.(*Conn).Close")
#define GO_FUNCS(word, base) "funcs: " word " read-" base ",f1-funcs," "close-" base ",f2-funcs,end-" base "\n" \
			     "f1: " word " read-" base "\n.long 0\nf2: " word " close-" base "\n.long name2-names\n.zero 64\n"
#define GO_HEAD(magic) ".section .gopclntab,\"aw\"\n.balign 8\ntab: .long " magic "\n.byte 0,0,1,8\n.quad 2,0\n"
#define GO_TABLE_OF(names) GO_HEAD("0xfffffff1") ".quad text\n.quad names-tab,0,0,0,funcs-tab\n" names GO_FUNCS(".long", "text")
#define GO_TABLE_120 GO_TABLE_OF(GO_NAMES)
#define GO_TABLE_H2 GO_TABLE_OF(GO_NAMED("vendor/golang.org/x/net/http2/hpack.(*Encoder).WriteField", "net/http.(*http2Framer).WriteHeaders"))
#define GO_TABLE_116 GO_HEAD("0xfffffffa") ".quad names-tab,0,0,0,funcs-tab,0\n" GO_NAMES GO_FUNCS(".quad", "0")
#define GO_VERSION(v) ".section .go.buildinfo,\"aw\"\n.balign 16\n.ascii \"\\377 Go buildinf:\"\n.byte 8,2\n.zero 16\n.byte " v "\n"
#define GO_REGS_CHECK "cmp 0x10(%r14),%rsp"
#define GO_STACK_CHECK "mov %fs:0xfffffffffffffff8,%rcx\ncmp 0x10(%rcx),%rsp"

static void go_by_its_table(void)
{
	struct tls_plan p = plan_of(GO_CODE(GO_REGS_CHECK, "nop") GO_TABLE_120 GO_VERSION("8\n.ascii \"go1.21.3\""));

	SITES(&p, "crypto/tls.(*Conn).Read+4 entry emulated", "crypto/tls.(*Conn).Read+19 ret stepped", "crypto/tls.(*Conn).Read+25 ret stepped",
	      "crypto/tls.(*Conn).Close+4 entry emulated");
	ok_str(p.stack, "go 1.21");
	ok_str(p.why, "no function that writes was found");
	for (unsigned i = 0; i < p.nsites; i++)
		ok_int(tls_funcs[p.sites[i].func].k.abi, HT_TLS_ABI_GO_REGS);
	tls_plan_done(&p);
	/* without its version, which the layout tells well enough */
	p = plan_of(GO_CODE(GO_REGS_CHECK, "nop") GO_TABLE_120);
	ok_int(p.nsites, 4);
	ok_str(p.stack, "go");
	tls_plan_done(&p);
}

/* 1.16 and 1.17 have one layout, and their arguments in different places. */
static void go_before_registers(void)
{
	struct tls_plan p = plan_of(GO_CODE(GO_STACK_CHECK, "nop") GO_TABLE_116 GO_VERSION("8\n.ascii \"go1.16.3\""));

	SITES(&p, "crypto/tls.(*Conn).Read+13 entry emulated", "crypto/tls.(*Conn).Read+28 ret stepped", "crypto/tls.(*Conn).Read+34 ret stepped",
	      "crypto/tls.(*Conn).Close+13 entry emulated");
	ok_str(p.stack, "go 1.16");
	for (unsigned i = 0; i < p.nsites; i++)
		ok_int(tls_funcs[p.sites[i].func].k.abi, HT_TLS_ABI_GO_STACK);
	tls_plan_done(&p);
	p = plan_of(GO_CODE(GO_REGS_CHECK, "nop") GO_TABLE_116 GO_VERSION("8\n.ascii \"go1.17.3\""));
	ok_int(p.nsites, 4);
	ok(p.nsites && tls_funcs[p.sites[0].func].k.abi == HT_TLS_ABI_GO_REGS);
	tls_plan_done(&p);
	p = plan_of(GO_CODE(GO_STACK_CHECK, "nop") GO_TABLE_116);
	ok_int(p.nsites, 0);
	ok(p.uses_tls && strstr(p.why, "1.16 or 1.17"));
	tls_plan_done(&p);
}

/* A function is probed wholly or not at all: a return that is not seen would leave a call open. */
static void go_that_cannot_be_decoded(void)
{
	struct tls_plan p = plan_of(GO_CODE(GO_REGS_CHECK, ".byte 0x06") GO_TABLE_120 GO_VERSION("8\n.ascii \"go1.21.3\""));

	SITES(&p, "crypto/tls.(*Conn).Close+4 entry emulated");
	ok_str(p.why, "the code of crypto/tls.(*Conn).Read cannot be decoded");
	tls_plan_done(&p);
	p = plan_of(GO_CODE("nop\nnop\nnop\nnop\nnop\nnop", "nop") GO_TABLE_120 GO_VERSION("8\n.ascii \"go1.21.3\""));
	ok_int(p.nsites, 0);
	ok(p.uses_tls && strstr(p.why, "is not where the table says"));
	ok_str(p.stack, "go 1.21");
	tls_plan_done(&p);
}

/* What HTTP/2 is given is read at the jump that may lead to the function's beginning again, for which it must be known; no returns. */
static void go_header_fields(void)
{
	static const char *const other[] = {
		GO_CODE("cmp 0x10(%r14),%rsp\nja 7f\n7:", "nop") GO_TABLE_H2,
		GO_CODE("mov %rsp,%rsi\ncmp 0x10(%r14),%rsp", "nop") GO_TABLE_H2,
		GO_CODE("push %rsi\ncmp 0x10(%r14),%rsp", "nop") GO_TABLE_H2,
		GO_CODE("nop\nnop\nnop\nnop\nnop\nnop", "nop") GO_TABLE_H2,
	};
	struct tls_plan p = plan_of(GO_CODE(GO_REGS_CHECK, "nop") GO_TABLE_H2 GO_VERSION("8\n.ascii \"go1.21.3\""));

	SITES(&p, "vendor/golang.org/x/net/http2/hpack.(*Encoder).WriteField+4 entry emulated", "net/http.(*http2Framer).WriteHeaders+4 entry emulated");
	tls_plan_done(&p);
	for (unsigned i = 0; i < ARRAY_SIZE(other); i++) {
		p = plan_of(other[i]);
		ok_int(p.nsites, 0);
		tls_plan_done(&p);
	}
	p = plan_of(GO_CODE(GO_STACK_CHECK, "nop") GO_TABLE_H2 GO_VERSION("8\n.ascii \"go1.16.3\""));
	ok_int(p.nsites, 0);	/* where its arguments are is another matter */
	tls_plan_done(&p);
}

static void says_why_nothing(void)
{
	struct tls_plan p = plan_of(".section .rodata\n.asciz \"TLS 1.3, server CertificateVerify\"\n");

	ok_int(p.nsites, 0);
	ok(p.uses_tls && strstr(p.why, "stripped"));
	ok_str(p.stack, "unknown");
	tls_plan_done(&p);
	p = plan_of(".section .rodata\n.asciz \"TLS 1.3, client TLS 1.3, server CertificateVerify\"\n.asciz \"/rustls-0.23.5/src/conn.rs\"\n");
	ok(p.uses_tls && p.why[0]);
	ok_str(p.stack, "rustls");
	tls_plan_done(&p);
	p = plan_of(FUNC("JNI_CreateJavaVM", "ret"));
	ok(p.uses_tls && strstr(p.why, "JSSE") && !p.nsites);
	ok_str(p.stack, "java");
	tls_plan_done(&p);
	p = plan_of(FUNC("SSL_something", "ret") ".section .rodata\n.asciz \"SSL_read\"\n");
	ok_int(p.nsites, 0);
	ok(!p.uses_tls && !p.why[0] && !p.stack[0] && p.build_id[0]);
	tls_plan_done(&p);
}

/* The real one: whatever its version, reads and writes are found, and no call is counted twice. */
static void installed_openssl(void)
{
	struct tls_plan p = { 0 };
	unsigned reads = 0, writes = 0, frees = 0;
	Dl_info info;
	_cleanup_close_ int fd = dladdr((void *)(uintptr_t)SSL_read, &info) ? open(info.dli_fname, O_RDONLY | O_CLOEXEC) : -1;

	must(fd >= 0);
	ok_int(tls_plan_file(fd, &p), 0);
	ok_str(p.stack, "openssl");
	for (unsigned i = 0; i < p.nsites; i++) {
		const struct ht_tls_func *k = &tls_funcs[p.sites[i].func].k;

		printf("# 0x%llx %s\n", (unsigned long long)p.sites[i].offset, site_text(&p.sites[i]));
		reads += p.sites[i].kind == TLS_SITE_RETURN && k->op == HT_TLS_READ && !(k->flags & HT_TLS_F_PEEK);
		writes += p.sites[i].kind == TLS_SITE_RETURN && k->op == HT_TLS_WRITE;
		frees += k->op == HT_TLS_FREE;
	}
	ok(reads == 1 || reads == 2);
	ok(writes == 1 || writes == 2);
	ok_int(frees, 1);
	tls_plan_done(&p);
}

static int plan_bytes(const uint8_t *b, size_t n)
{
	_cleanup_close_ int fd = memfd_create("elf", MFD_CLOEXEC);
	struct tls_plan p = { 0 };
	int r;

	if (fd < 0 || write(fd, b, n) != (ssize_t)n)
		return -EIO;
	r = tls_plan_file(fd, &p);
	tls_plan_done(&p);
	return r;
}

static void what_is_no_elf(void)
{
	static const char script[] = "#!/bin/sh\nexit 0\n";
	_cleanup_close_ int folder = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct tls_plan p = { .nsites = 77 };
	uint8_t b[4096] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };

	ok_int(plan_bytes((const uint8_t *)script, sizeof(script)), -EBADMSG);
	ok_int(plan_bytes(b, 0), -EBADMSG);
	ok_int(plan_bytes(b, 20), -EBADMSG);
	b[16] = 3;
	b[18] = 183; /* aarch64 */
	b[20] = 1;
	b[52] = 64;
	ok_int(plan_bytes(b, sizeof(b)), -ENOEXEC);
	ok_int(tls_plan_file(folder, &p), -EBADMSG);
	ok_int(p.nsites, 77);
}

/* A library cut short anywhere, and one with any bit of its tables turned: an error or a plan, never a crash. */
static void broken_files(void)
{
	static uint8_t b[1 << 20];
	char path[128];
	_cleanup_close_ int fd = build(INNER("ri", "push %rbx\npop %rbx\nret") PADDING FUNC("SSL_read", OUTER("ri")) FUNC("SSL_read_ex", OUTER_EX("ri"))
				       FUNC("SSL_write", "jmp SSL_read@plt"), path, sizeof(path));
	ssize_t n = fd < 0 ? -1 : read(fd, b, sizeof(b));
	unsigned plans = 0, errors = 0;

	must(n > 4096);
	for (ssize_t cut = 0; cut < n; cut += 61)
		*(plan_bytes(b, (size_t)cut) < 0 ? &errors : &plans) += 1;
	ok(errors > 50);
	for (ssize_t bit = 0; bit < 64 * 8; bit++) {
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		*(plan_bytes(b, (size_t)n) < 0 ? &errors : &plans) += 1;
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (ssize_t at = n - 64 * 20; at < n; at++) {
		b[at] ^= 0xff;
		*(plan_bytes(b, (size_t)n) < 0 ? &errors : &plans) += 1;
		b[at] ^= 0xff;
	}
	ok(plans > 100);
}

static void names(void)
{
	static const char *const yes[] = { "libssl.so.3", "libssl.so.1.1", "libssl-41ee2b3b.so.1.1", "libgnutls.so.30.34.3", "libnspr4.so", "libnode.so.108",
					   "libwolfssl.so.35", "libmbedtls.so.14", "libnghttp2.so.14.24.1", "_ssl.cpython-312-x86_64-linux-gnu.so",
					   "libnetty_tcnative_linux_x86_64123.so", "_openssl.abi3.so", "libpython3.12.so.1.0", "grpc_node.node", "libjvm.so", "_awscrt.cpython-311-x86_64-linux-gnu.so" };
	static const char *const no[] = { "libc.so.6", "libssl.conf", "ls", "libz.so.1", "", "libss.so.2", ".node", "a.nodes", "ld-linux-x86-64.so.2" };

	for (unsigned i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		ok(tls_plan_name(yes[i]));
	for (unsigned i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		ok(!tls_plan_name(no[i]));
	for (unsigned i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		ok(tls_plan_mapped(yes[i]));
	ok(tls_plan_mapped("memfd:libssl.so.3") && tls_plan_mapped("program-1.0") && tls_plan_mapped("grpc.node (deleted)"));
	ok(!tls_plan_mapped("libc.so.6") && !tls_plan_mapped("memfd:libc.so.6"));
}

static void directory_is_removed(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	ok_int(system(command), 0);
}

static const struct tap_case cases[] = {
	CASE(emulated_is_preferred), CASE(arguments_stay_where_they_are), CASE(loops_are_not_probed), CASE(one_pair_for_both),
	CASE(flags_move_the_arguments), CASE(flags_without_their_function), CASE(wrappers_are_left_out),
	CASE(peeks_are_no_data), CASE(boringssl_reads_are_peeks), CASE(gnutls_sends_once), CASE(rust_by_its_names), CASE(rust_by_its_compiler),
	CASE(go_by_its_table), CASE(go_before_registers), CASE(go_that_cannot_be_decoded), CASE(go_header_fields),
	CASE(says_why_nothing), CASE(installed_openssl), CASE(what_is_no_elf), CASE(broken_files), CASE(names), CASE(directory_is_removed),
};
TAP_MAIN(cases)
