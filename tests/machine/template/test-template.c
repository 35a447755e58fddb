// SPDX-License-Identifier: Apache-2.0
// Unit tests of the templates. What is expected is what Go's text/template prints for the same template and data.
#include "test.h"

#include "lib/json.h"
#include "machine/template/template.h"

#include <errno.h>

struct sample {
	const char *text, *data, *expected;
};

static int render(const char *text, const char *data, bool fixed_fields, struct buf *out, struct error *err)
{
	cleanup_template struct template *t = NULL;
	cleanup_json json_t *root = NULL;

	assert_ok(json_read_text(data, strlen(data), "the test's data", &root, err), err);
	int r = template_parse(text, &t, err);
	return r < 0 ? r : template_render(t, root, fixed_fields, out, err);
}

static void check(const struct sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		cleanup_buf struct buf out = BUF_INIT;
		struct error err = ERROR_INIT;
		if (render(samples[i].text, samples[i].data, false, &out, &err) < 0)
			fail_msg("%s of %s: %s", samples[i].text, samples[i].data, err.msg);
		if (strcmp(buf_str(&out), samples[i].expected) != 0)
			fail_msg("%s of %s: \"%s\", expected \"%s\"", samples[i].text, samples[i].data, buf_str(&out),
				 samples[i].expected);
	}
}

static void fields_are_followed(void **state)
{
	static const struct sample samples[] = {
		{ "{{.Driver.SSHUser}}", "{\"Driver\":{\"SSHUser\":\"docker\"}}", "docker" },
		{ "{{.A.B.C}}-{{$.A.B.C}}", "{\"A\":{\"B\":{\"C\":\"deep\"}}}", "deep-deep" },
		{ "{{.}}", "{\"A\":1}", "map[A:1]" },
		{ "{{.Größe}}", "{\"Größe\":1}", "1" },
		{ "{{.X}} {{.X.Y.Z}}", "{}", "<no value> <no value>" },
		{ "{{.N}}", "{\"N\":null}", "<no value>" },
		{ "{{(index .A 0).B}}", "{\"A\":[{\"B\":\"c\"}]}", "c" },
		{ "{{  .A  }}{{\n.A\n}}", "{\"A\":1}", "11" },
		{ "no action", "{}", "no action" },
		{ "", "{}", "" },
		{ "}} x {", "{}", "}} x {" },
	};

	(void)state;
	check(samples, ARRAY_SIZE(samples));
}

static void values_print_as_in_go(void **state)
{
	static const struct sample samples[] = {
		{ "{{.A}}", "{\"A\":[1,\"b\",null,true,{\"x\":[]}]}", "[1 b <nil> true map[x:[]]]" },
		{ "{{.A}}", "{\"A\":{\"b\":2,\"a\":\"x\",\"c\":null}}", "map[a:x b:2 c:<nil>]" },
		{ "{{.A}}", "{\"A\":20000}", "20000" },
		{ "{{.A}}", "{\"A\":100000}", "100000" },
		{ "{{.A}}", "{\"A\":1000000}", "1e+06" },
		{ "{{.A}}", "{\"A\":123456789}", "1.23456789e+08" },
		{ "{{.A}}", "{\"A\":1.5}", "1.5" },
		{ "{{.A}}", "{\"A\":0.1}", "0.1" },
		{ "{{.A}}", "{\"A\":0.0001}", "0.0001" },
		{ "{{.A}}", "{\"A\":0.00001}", "1e-05" },
		{ "{{.A}}", "{\"A\":-0.0}", "-0" },
		{ "{{.A}}", "{\"A\":0}", "0" },
		{ "{{.A}}", "{\"A\":1e300}", "1e+300" },
		{ "{{true}} {{false}} {{\"s\"}} {{1000000}} {{1000000.0}}", "{}", "true false s 1000000 1e+06" },
	};

	(void)state;
	check(samples, ARRAY_SIZE(samples));
}

static void json_is_as_gos_encoder_writes_it(void **state)
{
	static const struct sample samples[] = {
		{ "{{json .}}", "{\"b\":\"<a&b>\",\"a\":[1,2.5,null,true],\"é\":\"é\\u2028\\u2029\"}",
		  "{\"a\":[1,2.5,null,true],\"b\":\"\\u003ca\\u0026b\\u003e\",\"é\":\"é\\u2028\\u2029\"}" },
		{ "{{json .A}} {{json .B}}", "{\"A\":\"q\\\"\\\\\\n\\r\\t\\u0001\"}",
		  "\"q\\\"\\\\\\n\\r\\t\\u0001\" null" },
		{ "{{json .A}}", "{\"A\":[1000000,1e20,1e21,0.000001,0.0000001]}",
		  "[1000000,100000000000000000000,1e+21,0.000001,1e-7]" },
		{ "{{json .A}} {{json .B}}", "{\"A\":{},\"B\":[]}", "{} []" },
		{ "{{prettyjson .}}", "{\"b\":{},\"a\":[],\"c\":[1,{\"x\":1}]}",
		  "{\n    \"a\": [],\n    \"b\": {},\n    \"c\": [\n        1,\n        {\n            \"x\": 1\n"
		  "        }\n    ]\n}" },
		{ "{{.A|json}}", "{\"A\":1}", "1" },
	};

	(void)state;
	check(samples, ARRAY_SIZE(samples));
}

static void range_goes_over_arrays_and_maps(void **state)
{
	static const struct sample samples[] = {
		{ "{{range .A}}[{{.}}]{{else}}none{{end}}", "{\"A\":[\"x\",\"y\"]}", "[x][y]" },
		{ "{{range .A}}[{{.}}]{{else}}none{{end}}", "{\"A\":[]}", "none" },
		{ "{{range .A}}[{{.}}]{{else}}none{{end}}", "{\"A\":null}", "none" },
		{ "{{range .A}}[{{.}}]{{else}}none{{end}}", "{}", "none" },
		{ "{{range $i, $e := .A}}{{$i}}={{$e}};{{end}}", "{\"A\":[\"x\",\"y\"]}", "0=x;1=y;" },
		{ "{{range $k, $v := .A}}{{$k}}={{$v}};{{end}}", "{\"A\":{\"z\":1,\"b\":2}}", "b=2;z=1;" },
		{ "{{range $v := .A}}{{$v}};{{.}};{{$.B}} {{end}}", "{\"A\":{\"z\":1,\"b\":2},\"B\":9}",
		  "2;2;9 1;1;9 " },
		{ "{{range .A}}{{range .}}{{.}}{{end}}|{{end}}", "{\"A\":[[1,2],[],[3]]}", "12||3|" },
		{ "{{range .A}}{{if .}}{{.}}{{end}}{{end}}", "{\"A\":[0,1,\"\",2]}", "12" },
	};

	(void)state;
	check(samples, ARRAY_SIZE(samples));
}

static void conditions_choose(void **state)
{
	static const struct sample samples[] = {
		{ "{{if .A}}y{{else}}n{{end}}", "{\"A\":0}", "n" },
		{ "{{if .A}}y{{else}}n{{end}}", "{\"A\":{}}", "n" },
		{ "{{if .A}}y{{else}}n{{end}}", "{\"A\":\"0\"}", "y" },
		{ "{{if .A}}y{{else}}n{{end}}", "{\"A\":false}", "n" },
		{ "{{if .A}}y{{end}}", "{}", "" },
		{ "{{if .A}}y{{else if .B}}b{{else}}n{{end}}", "{\"A\":\"\",\"B\":[1]}", "b" },
		{ "{{if .A}}y{{else if .B}}b{{else if .C}}c{{else}}n{{end}}.", "{\"A\":0,\"B\":[]}", "n." },
		{ "{{if eq (len .A) 2}}two{{end}}", "{\"A\":[1,2]}", "two" },
		{ "{{if and .A (not .B)}}ok{{end}}", "{\"A\":1}", "ok" },
		{ "{{with .A}}{{.B}}{{else}}n{{end}}", "{\"A\":{\"B\":1}}", "1" },
		{ "{{with .A}}{{.B}}{{else}}n{{end}}", "{}", "n" },
		{ "{{with $x := .A}}{{$x}}{{.}}{{$.A}}{{end}}", "{\"A\":\"q\"}", "qqq" },
		{ "{{if $x := .A}}{{$x}}{{else}}[{{$x}}]{{end}}", "{\"A\":0}", "[0]" },
	};

	(void)state;
	check(samples, ARRAY_SIZE(samples));
}

static void comparisons_compare(void **state)
{
	static const struct sample samples[] = {
		{ "{{eq .A \"x\" \"y\"}} {{ne .A \"x\"}}", "{\"A\":\"y\"}", "true true" },
		{ "{{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1.5 1.5}} {{lt \"ab\" \"b\"}} {{gt 1 2}}", "{}",
		  "true true true true true false" },
		{ "{{eq .X \"a\"}} {{eq .N nil}} {{eq nil nil}} {{ne .N \"x\"}}", "{\"N\":null}",
		  "false true true true" },
		{ "{{eq .A true}} {{eq .A false}}", "{\"A\":true}", "true false" },
		// Go refuses these: the data's numbers are float64, the literal is an int.
		{ "{{eq .A 5}} {{lt .A 6}} {{index .L .I}}", "{\"A\":5,\"L\":[7,8],\"I\":1}", "true true 8" },
		{ "{{and 1 0 2}} {{or 0 \"\" \"x\"}} {{not 0}} [{{or 0 \"\"}}] {{and 1 2}}", "{}", "0 x true [] 2" },
		{ "{{2 | and 1}} {{3 | or 0}} {{4 | and 0}}", "{}", "2 3 0" },
		{ "{{or .A (index .L 9)}}", "{\"A\":1,\"L\":[]}", "1" },
	};

	(void)state;
	check(samples, ARRAY_SIZE(samples));
}

static void index_and_len_look_inside(void **state)
{
	static const struct sample samples[] = {
		{ "{{index .A 1}} {{index .M \"k\"}} {{index .M \"zz\"}} {{index .A 1 | printf \"%q\"}}",
		  "{\"A\":[\"a\",\"b\"],\"M\":{\"k\":\"v\"}}", "b v <no value> \"b\"" },
		{ "{{index .M \"a\" 1 \"b\"}} {{index .M}}", "{\"M\":{\"a\":[0,{\"b\":\"deep\"}]}}",
		  "deep map[a:[0 map[b:deep]]]" },
		{ "{{index .S 0}} {{index .M \"with space\"}}", "{\"S\":\"abc\",\"M\":{\"with space\":1}}", "97 1" },
		{ "{{len .A}} {{len \"abc\"}} {{len .L}} {{(len .L)}}", "{\"A\":{\"b\":2},\"L\":[]}", "1 3 0 0" },
	};

	(void)state;
	check(samples, ARRAY_SIZE(samples));
}

static void texts_are_escaped_and_sliced_as_in_go(void **state)
{
	static const struct sample samples[] = {
		{ "{{html .A}}", "{\"A\":\"<a href='x'>\\\"&\"}", "&lt;a href=&#39;x&#39;&gt;&#34;&amp;" },
		{ "{{.A | html}} {{html 1 2}}", "{\"A\":\"ü\"}", "ü 1 2" },
		{ "{{js .A}}", "{\"A\":\"'<\\\\>\\n=\"}", "\\'\\u003C\\\\\\u003E\\u000A\\u003D" },
		{ "{{urlquery .A}}", "{\"A\":\"a b&c=d/ü~\"}", "a+b%26c%3Dd%2F%C3%BC~" },
		{ "{{slice .A 1}} {{slice .A 1 2}} {{slice .A}} {{slice .A 3}}|", "{\"A\":\"abc\"}", "bc b abc |" },
		{ "{{slice .A 1 3}} {{len (slice .A 2)}} {{range slice .A 0 2}}<{{.}}>{{end}}",
		  "{\"A\":[1,\"b\",{\"c\":2}]}", "[b map[c:2]] 1 <1><b>" },
	};

	(void)state;
	check(samples, ARRAY_SIZE(samples));
}

static void printf_formats_as_gos_does(void **state)
{
	static const struct sample samples[] = {
		{ "{{printf \"%5d|%-5d|%05d|%x|%X|%o|%b|%c\" 42 42 42 255 255 8 5 65}}", "{}",
		  "   42|42   |00042|ff|FF|10|101|A" },
		{ "{{printf \"%5s|%-5s|%.2s|%5.1f\" \"ab\" \"ab\" \"abcd\" 3.14159}}", "{}", "   ab|ab   |ab|  3.1" },
		{ "{{printf \"%8.3f|%-8.2f|%+d|%e|%g\" 3.14159 2.5 5 1234.5 1234567.0}}", "{}",
		  "   3.142|2.50    |+5|1.234500e+03|1.234567e+06" },
		{ "{{printf \"%6v|%-6v|%06d|%5t|%6.2v\" \"ab\" 12 -42 true 3.14159}}", "{}",
		  "    ab|12    |-00042| true|   3.1" },
		{ "{{printf \"%05s|%05t|%+v|% d|%.3d\" \"ab\" true 5 5 7}}", "{}", "000ab|0true|5| 5|007" },
		{ "{{printf \"%x % x %X\" \"hi\" \"hi\" \"hi\"}}", "{}", "6869 68 69 6869" },
		{ "{{printf \"%q %q %U\" \"a\\tb\" 65 65}}", "{}", "\"a\\tb\" 'A' U+0041" },
		{ "{{printf \"%4s|%-4s|%.1s\" \"äö\" \"äö\" \"äö\"}}", "{}", "  äö|äö  |ä" },
		{ "{{printf \"%T %T %T %T %T %T\" 1 \"a\" .A .B .C true}}", "{\"A\":1,\"B\":[1],\"C\":{}}",
		  "int string float64 []interface {} map[string]interface {} bool" },
		{ "{{printf \"%t\" 1}} {{printf \"%d\" true}} {{printf \"%s\" 5}} {{printf \"%z\" 1}}", "{}",
		  "%!t(int=1) %!d(bool=true) %!s(int=5) %!z(int=1)" },
		{ "{{printf \"%d %d\" 1}} {{printf \"%d\" 1 2}} {{printf \"%\"}} {{printf \"100%%\"}}", "{}",
		  "1 %!d(MISSING) 1%!(EXTRA int=2) %!(NOVERB) 100%" },
		{ "{{printf \"%v %s\" .X .X}}", "{}", "<nil> %!s(<nil>)" },
		{ "{{printf \"%s\" .A}} {{printf \"%q\" .A}} {{printf \"%3v\" .A}}", "{\"A\":[\"a\",\"b\"]}",
		  "[a b] [\"a\" \"b\"] [  a   b]" },
		{ "{{printf \"%s\" .A}}", "{\"A\":{\"a\":\"x\",\"n\":1}}", "map[a:x n:%!s(float64=1)]" },
		{ "{{printf .F 1}} {{\"a\" | printf \"%s-%s\" \"b\"}}", "{\"F\":\"%v!\"}", "1! b-a" },
		// In Go the data's numbers are no integers: "%!d(float64=2376)".
		{ "{{printf \"%d %x\" .P .P}}", "{\"P\":2376}", "2376 948" },
		{ "{{print 1 2 \"a\" \"b\" 3}} {{println 1 \"a\"}}{{print nil}}{{print}}", "{}", "1 2ab3 1 a\n<nil>" },
	};

	(void)state;
	check(samples, ARRAY_SIZE(samples));
}

static void literals_are_read(void **state)
{
	static const struct sample samples[] = {
		{ "{{`raw\\n\"x\"`}} {{'a'}} {{'\\n'}} {{'é'}}", "{}", "raw\\n\"x\" 97 10 233" },
		{ "{{\"\\t|\\x41|\\101|\\u00e9|\\U0001F600|\\\"\\\\\"}}", "{}", "\t|A|A|é|😀|\"\\" },
		{ "{{0x1F}} {{017}} {{0b11}} {{0o17}} {{1e3}} {{1.50}} {{-3}} {{+4}} {{.5}} {{-0x10}}", "{}",
		  "31 15 3 15 1000 1.5 -3 4 0.5 -16" },
		{ "{{9223372036854775807}}", "{}", "9223372036854775807" },
	};

	(void)state;
	check(samples, ARRAY_SIZE(samples));
}

static void variables_live_in_their_block(void **state)
{
	static const struct sample samples[] = {
		{ "{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}", "{}", "12" },
		{ "{{$a := 1}}{{if true}}{{$a := 2}}{{$a}}{{end}}{{$a}}", "{}", "21" },
		{ "{{$n := 0}}{{range .A}}{{$n = .}}{{end}}{{$n}}", "{\"A\":[4,5]}", "5" },
		{ "{{with .A}}{{$.B}}{{end}}{{$.B}}", "{\"A\":1,\"B\":2}", "22" },
		{ "{{$o := .A}}{{$o.B.C}}", "{\"A\":{\"B\":{\"C\":3}}}", "3" },
	};

	(void)state;
	check(samples, ARRAY_SIZE(samples));
}

static void markers_trim_and_comments_vanish(void **state)
{
	static const struct sample samples[] = {
		{ "a {{- 1 -}} b {{- \"x\"}} {{/* c */}}|{{- /* }} */ -}} d", "{}", "a1bx |d" },
		{ "{{- 3}} {{-3}} {{3 -}}\n\t x", "{}", "3 -3 3x" },
		{ "{{range .A -}}\n  {{.}}\n{{- end}}", "{\"A\":[1,2]}", "12" },
	};

	(void)state;
	check(samples, ARRAY_SIZE(samples));
}

static void an_error_names_place_and_reason(void **state)
{
	static const struct sample samples[] = {
		{ "{{.A", "{}", "template:1:5: unclosed action" },
		{ "{{", "{}", "template:1:3: unclosed action" },
		{ "{{}}", "{}", "missing value for command" },
		{ "{{.A |}}", "{}", "missing value for command" },
		{ "{{if .A}}", "{}", "template:1:3: {{end}} is missing" },
		{ "{{if .A}}{{else}}", "{}", "{{end}} is missing" },
		{ "{{end}}", "{}", "unexpected {{end}}" },
		{ "{{else}}", "{}", "unexpected {{else}}" },
		{ "{{if .A}}{{else}}{{else}}{{end}}", "{}", "expected end; found {{else}}" },
		{ "\n {{foo .A}}", "{}", "template:2:4: function \"foo\" not defined; there are: and, eq" },
		{ "{{.A | upper}}", "{}", "function \"upper\" not defined" },
		{ "{{call .A}}", "{}", "function \"call\" not defined" },
		{ "{{slice .A 2 1}}", "{\"A\":\"abc\"}", "slice bounds out of range: 1 of 3" },
		{ "{{slice .A 4}}", "{\"A\":\"abc\"}", "slice bounds out of range: 4 of 3" },
		{ "{{slice .A}}", "{\"A\":{}}", "can't slice item of type map" },
		{ "{{define \"x\"}}{{end}}", "{}", "{{define}} is not supported" },
		{ "{{template \"x\"}}", "{}", "{{template}} is not supported" },
		{ "{{range .A}}{{break}}{{end}}", "{}", "{{break}} is not supported" },
		{ "{{printf \"%*d\" 1 2}}", "{}", "\"%*\" is not supported" },
		{ "{{printf \"%[1]d\" 1}}", "{}", "\"%[\" is not supported" },
		{ "{{printf \"%2000d\" 1}}", "{}", "a width or precision over 1000" },
		{ "{{printf 5}}", "{}", "the format is of type int" },
		{ "{{$x}}", "{}", "undefined variable \"$x\"" },
		{ "{{range $i := .A}}{{end}}{{$i}}", "{}", "undefined variable \"$i\"" },
		{ "{{and 0 ($x := 1)}}{{$x}}", "{}", "undefined variable \"$x\"" },
		{ "{{range $a, $b, $c := .A}}{{end}}", "{}", "too many variables" },
		{ "{{range $a, $b}}{{end}}", "{}", "\":=\" is missing" },
		{ "{{.A.}}", "{}", "a field's name is missing" },
		{ "{{.A-b}}", "{}", "unexpected \"-\"" },
		{ "{{(.A}}", "{}", "unclosed left paren" },
		{ "{{.A)}}", "{}", "unexpected \")\"" },
		{ "{{\"abc}}", "{}", "unterminated quoted string" },
		{ "{{`abc}}", "{}", "unterminated raw quoted string" },
		{ "{{'ab'}}", "{}", "must be one character" },
		{ "{{\"\\q\"}}", "{}", "unknown escape" },
		{ "{{\"\\x4\"}}", "{}", "too few digits" },
		{ "{{1_000}}", "{}", "bad number syntax" },
		{ "{{99999999999999999999}}", "{}", "number overflow" },
		{ "{{/* x", "{}", "unclosed comment" },
		{ "{{/* x */ 1}}", "{}", "a comment must end" },
		{ "{{nil}}", "{}", "nil is not a command" },
		{ "{{1 2}}", "{}", "can't give arguments to what is not a function" },
		{ "{{.N.X}}", "{\"N\":null}", "nil pointer evaluating interface {}.X" },
		{ "{{.S.X}}", "{\"S\":\"s\"}", "can't evaluate field X in type string" },
		{ "{{index .A 7}}", "{\"A\":[1,2]}", "index out of range: 7" },
		{ "{{index .A -1}}", "{\"A\":[1,2]}", "index out of range: -1" },
		{ "{{index .A 0.5}}", "{\"A\":[1,2]}", "cannot index an array with type float64" },
		{ "{{index .X 0}}", "{}", "index of untyped nil" },
		{ "{{index .A 0}}", "{\"A\":5}", "can't index item of type float64" },
		{ "{{len .A}}", "{\"A\":5}", "len of type float64" },
		{ "{{len}}", "{}", "wrong number of args for len: want 1 got 0" },
		{ "{{and}}", "{}", "wrong number of args for and: want at least 1 got 0" },
		{ "{{eq 1 \"a\"}}", "{}", "int and string cannot be compared" },
		{ "{{eq .A .A}}", "{\"A\":[]}", "cannot be compared" },
		{ "{{lt true false}}", "{}", "bool and bool cannot be compared" },
		{ "{{range .A}}{{end}}", "{\"A\":\"s\"}", "range can't iterate over a string" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		cleanup_buf struct buf out = BUF_INIT;
		struct error err = ERROR_INIT;
		if (render(samples[i].text, samples[i].data, false, &out, &err) != -EINVAL)
			fail_msg("%s of %s is no error: \"%s\"", samples[i].text, samples[i].data, buf_str(&out));
		assert_contains(err.msg, samples[i].expected);
	}
}

static void what_came_before_an_error_is_kept(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(render("a{{.A}}{{len 1}}b", "{\"A\":1}", false, &out, &err), -EINVAL);
	assert_string_equal(buf_str(&out), "a1");
}

static void a_record_has_no_other_fields(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(render("{{.Name}} {{.Options.Nothing}}", "{\"Name\":\"m\",\"Options\":{}}", true, &out, &err), &err);
	assert_string_equal(buf_str(&out), "m <no value>");
	assert_int_equal(render("{{.Nmae}}", "{\"Name\":\"m\",\"URL\":\"\"}", true, &out, &err), -EINVAL);
	assert_string_equal(err.msg, "template:1:3: there is no field .Nmae; there are: .Name .URL");
}

// `piece` as often as said.
static char *repeat(const char *piece, int times, const char *end)
{
	struct buf text = BUF_INIT;

	for (int i = 0; i < times; i++)
		buf_puts(&text, piece);
	buf_puts(&text, end);
	return buf_steal(&text);
}

static void nesting_is_bounded(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct error err = ERROR_INIT;
	cleanup_free char *blocks = repeat("{{if true}}", 100000 / 11, "");
	cleanup_free char *parens = repeat("(", 50000, "");
	cleanup_free char *action = xasprintf("{{%s", parens);

	(void)state;
	assert_int_equal(render(blocks, "{}", false, &out, &err), -EINVAL);
	assert_contains(err.msg, "more than 100 levels of nesting");
	assert_int_equal(render(action, "{}", false, &out, &err), -EINVAL);
	assert_contains(err.msg, "more than 100 levels of nesting");
}

static void output_and_work_are_bounded(void **state)
{
	struct error err = ERROR_INIT;
	cleanup_buf struct buf out = BUF_INIT;
	cleanup_free char *numbers = repeat("0,", 199, "0]}");
	cleanup_free char *data = xasprintf("{\"A\":[%s", numbers);
	cleanup_free char *doubling = repeat("{{$x = printf \"%s%s\" $x $x}}", 40, "{{$x}}");
	cleanup_free char *bomb = xasprintf("{{$x := \"0123456789\"}}%s", doubling);

	(void)state;
	assert_int_equal(
		render("{{range $.A}}{{range $.A}}{{range $.A}}{{end}}{{end}}{{end}}", data, false, &out, &err),
		-EINVAL);
	assert_contains(err.msg, "steps");
	assert_int_equal(render(bomb, "{}", false, &out, &err), -EINVAL);
	assert_contains(err.msg, "the output is longer than 4 MiB");
	cleanup_free char *long_text = repeat("x", 300 << 10, "");
	assert_int_equal(render(long_text, "{}", false, &out, &err), -EFBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_followed),
		cmocka_unit_test(values_print_as_in_go),
		cmocka_unit_test(json_is_as_gos_encoder_writes_it),
		cmocka_unit_test(range_goes_over_arrays_and_maps),
		cmocka_unit_test(conditions_choose),
		cmocka_unit_test(comparisons_compare),
		cmocka_unit_test(index_and_len_look_inside),
		cmocka_unit_test(texts_are_escaped_and_sliced_as_in_go),
		cmocka_unit_test(printf_formats_as_gos_does),
		cmocka_unit_test(literals_are_read),
		cmocka_unit_test(variables_live_in_their_block),
		cmocka_unit_test(markers_trim_and_comments_vanish),
		cmocka_unit_test(an_error_names_place_and_reason),
		cmocka_unit_test(what_came_before_an_error_is_kept),
		cmocka_unit_test(a_record_has_no_other_fields),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(output_and_work_are_bounded),
	};

	return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
