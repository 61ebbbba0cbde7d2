package lab_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/lab"
)

// repository is a folder that git knows, with a program that stands for sagactl: it prints what it is given. As demo it
// describes the system of the server, and runs until it is ended.
func repository(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	root := t.TempDir()
	if text, err := exec.CommandContext(t.Context(), "git", "init", "--quiet", root).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	program := `#!/usr/bin/env bash
if [[ $1 != demo ]]; then printf '[%s]' "$@"; exit; fi
[[ $* == *broken* ]] && { echo "it is broken"; exit 1; }
echo started >>"$LAB/starts"
echo '{"urls": {"order": "` + server.URL + `"}}' >"$LAB/run.json"
exec tail -f /dev/null
`
	if err := os.Mkdir(filepath.Join(root, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin/sagactl"), []byte(program), 0o755); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	return root
}

func parse(t *testing.T, parts map[string]string) *lab.Page {
	t.Helper()
	p, err := lab.Parse("a.md", []byte(written(parts)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// with are the parts of the small page, with other ones in pairs of section and text.
func with(changed ...string) map[string]string {
	parts := small()
	for i := 0; i < len(changed); i += 2 {
		parts[changed[i]] = changed[i+1]
	}
	return parts
}

func TestProve_APageThatIsRightIsGreenAndRedWithoutItsBreak(t *testing.T) {
	t.Parallel()
	for what, parts := range map[string]map[string]string{
		"variables and functions stay": with(
			"Run", "'''sh run\nX=1; f() { echo \"f of $1\"; }\n'''\n'''expect elided\n'''",
			"Repair", "'''sh run\nf $X\n'''\n'''expect elided\nf of 2\n'''"),
		"both outputs and the exit code": with(
			"Run", "'''sh run\necho out; echo err >&2; (exit 3)\n'''\n'''expect elided exit=3\nout\nerr\n'''"),
		"a syntax error is an output": with("Run", "'''sh run\nfi\n'''\n'''expect contains exit=2\nsyntax error\n'''"),
		"a block is repeated until it holds": with(
			"Run", "'''sh run\necho x >>\"$LAB/n\"; cat \"$LAB/n\" | wc -l\n'''\n'''expect regex until=30s\n3\n'''"),
		"what goes on in the background is looked at again": with(
			"Run", "'''sh run background\ntouch \"$LAB/log\"; tail -f \"$LAB/log\"\n'''\n'''expect elided until=30s\n'''\n"+
				"'''sh run\necho hello >>\"$LAB/log\"\n'''\n'''expect elided\n'''",
			"See", "'''sh run background\ntail -f \"$LAB/log\"\n'''\n'''expect contains until=30s\nhello\n'''\n"+small()["See"]),
		"the environment is the page's own": with(
			"Run", "'''sh run\necho \"${ORDERSAGA_FILE#$LAB}\"; [[ -n $USER && -d $LAB ]] && ls bin\n'''\n'''expect elided\n/run.json\nsagactl\n'''"),
		"a query is given to sagactl": with(
			"Run", "'''sql run service=payment\nSELECT 'a'\n'''\n'''expect elided\n[sql][payment][SELECT 'a']\n'''"),
		"both passes share a system": with(
			"Run", "'''sh run start\nbin/sagactl demo --scenes none\n'''\n'''sh run\ncat $LAB/starts\n'''\n'''expect elided\nstarted\n'''"),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if err := lab.Prove(t.Context(), parse(t, parts), lab.Options{Root: repository(t)}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestProve_ReportsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		want  string
		parts map[string]string
	}{
		"the break changes nothing": {`without its break: a.md:31: the page stays green: "gone" holds, too`,
			with("Break", "'''sh break red=gone\necho broken\n'''\n'''expect contains\nbroken\n'''", "Repair", "", "See",
				"'''sh run\necho x=2\n'''\n'''expect contains name=gone\nx=2\n'''")},
		"another one is red": {`"gone" was to be red, and not this: a.md:42: no line of the output has "2"`,
			with("See", "'''sh run\necho $X\n'''\n'''expect contains\n2\n'''\n"+small()["See"])},
		"it does not hold": {"as it is written: a.md:50: the output is another one\nrun:\n\techo $X\ngot:\n\t2\nwant (elided):\n\t3",
			with("See", small()["See"]+"\n'''sh run\necho $X\n'''\n'''expect elided\n3\n'''")},
		"another exit code":   {"the exit code is 1, not 0", with("Run", "'''sh run\nfalse\n'''\n'''expect elided\n'''")},
		"a block that hangs":  {"a.md:19: the block has not ended after 1s\n\tbegun", with("Run", "'''sh run\necho begun; tail -f /dev/null\n'''\n'''expect elided\n'''")},
		"an end of the shell": {"a.md:19: the block has ended the shell", with("Run", "'''sh run\nexit 3\n'''\n'''expect elided\n'''")},
		"a cleanup that fails": {"as it is written: a.md:73: the exit code is 1, not 0",
			with("Clean", "'''sh cleanup\n[[ $X == 1 ]]\n'''")},
		"a process that is left behind": {"processes were left behind: ",
			with("Run", "'''sh run\ntouch \"$LAB/log\"; set -m; tail -f \"$LAB/log\" & set +m\n'''\n'''expect elided\n'''")},
		"a file that is left behind": {`a.md: files of the repository have changed: before "?? bin/\n", after "?? bin/\n?? left\n"`,
			with("Run", "'''sh run\ntouch left\n'''\n'''expect elided\n'''")},
		"a system that does not start": {"a.md:19: the system has ended: it is broken",
			with("Run", "'''sh run start\nbin/sagactl demo --broken\n'''")},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			err := lab.Prove(t.Context(), parse(t, test.parts), lab.Options{Root: repository(t), Limit: time.Second})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// After a failure, and after a block that hung, the page is cleaned all the same, and nothing of it goes on.
func TestRun_CleansAlways(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"false", "exit", "tail -f /dev/null"} {
		root := repository(t)
		trace := filepath.Join(t.TempDir(), "cleaned")
		p := parse(t, with("Run", "'''sh run\n"+command+"\n'''\n'''expect elided\n'''", "Clean", "'''sh cleanup\necho $LAB >"+trace+"\n'''"))
		report, err := lab.Run(t.Context(), p, lab.Options{Root: root, Limit: time.Second})
		if err == nil && report.Failed() == nil {
			t.Errorf("%q has not failed", command)
		}
		dir, err := os.ReadFile(trace)
		if err != nil {
			t.Fatalf("%q was not cleaned: %v", command, err)
		}
		if _, err := os.Stat(strings.TrimSpace(string(dir))); !os.IsNotExist(err) {
			t.Errorf("%s is there: %v", dir, err)
		}
	}
}

func TestRun_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p := parse(t, with("Run", "'''sh run\ntail -f /dev/null\n'''\n'''expect elided\n'''"))
	o := lab.Options{Root: repository(t)}
	time.AfterFunc(time.Second, cancel)
	if _, err := lab.Run(ctx, p, o); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("%v", err)
	}
}

// Without the break the named expectation is not waited for as long as with it; the others are.
func TestRun_ShortensTheNamedExpectationAlone(t *testing.T) {
	t.Parallel()
	p := parse(t, with(
		"Run", "'''sh run\necho x >>\"$LAB/n\"; cat \"$LAB/n\" | wc -l\n'''\n'''expect regex until=30s\n3\n'''",
		"See", "'''sh run\necho $X\n'''\n'''expect elided name=gone until=10m\n2\n'''"))
	var log bytes.Buffer
	began := time.Now()
	report, err := lab.Run(t.Context(), p, lab.Options{
		Root: repository(t), WithoutBreak: true, Shorten: time.Millisecond, Log: &log,
	})
	if failed := report.Failed(); err != nil || failed == nil || failed.Block.Expect.Name != "gone" || time.Since(began) > time.Minute {
		t.Errorf("%v after %v: %+v", err, time.Since(began), failed)
	}
	if text := log.String(); !strings.Contains(text, "a.md:19: `sh run` holds after ") || !strings.Contains(text, "a.md:41: `sh run` the output is another one after ") {
		t.Errorf("the log is %s", text)
	}
}

func TestRun_WritesExpectationsAnew(t *testing.T) {
	t.Parallel()
	const id = "0193a1b2-0000-7000-8000-0123456789ab"
	parts := with(
		"Run", "'''sh run\necho one "+id+" in $LAB; echo two\n'''\n'''expect elided\nold\nold\nold\n'''",
		"See", small()["See"]+"\n'''sh run\necho new\n'''\n'''expect contains\nold\n'''",
		"Repair", "'''sh run\necho \"kept 0\"\n'''\n'''expect elided\nkept …\n'''")
	p := parse(t, parts)
	report, err := lab.Run(t.Context(), p, lab.Options{Root: repository(t), Write: true})
	if err != nil || report.Failed() != nil {
		t.Fatalf("%v: %+v", err, report.Failed())
	}
	parts["Run"] = strings.Replace(parts["Run"], "old\nold\nold\n", "one … in …\ntwo\n", 1)
	parts["See"] = strings.Replace(parts["See"], "contains\nold\n", "contains\nnew\n", 1)
	if got := string(p.Source()); got != written(parts) {
		t.Errorf("written was\n%s\nwant\n%s", got, written(parts))
	}
	parts["Run"] = "'''sh run\necho new\n'''\n'''expect regex\nold\n'''"
	if report, err = lab.Run(t.Context(), parse(t, parts), lab.Options{Root: repository(t), Write: true}); err != nil || report.Failed() == nil {
		t.Errorf("a regular expression that does not hold was written: %v", err)
	}
}
