package lab_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"example.com/ordersaga/apps/system/lab"
)

func TestGuide_KnowsWhichBlocksOnlyLook(t *testing.T) {
	t.Parallel()
	for text, looks := range map[string]bool{
		"bin/sagactl order get \"$ORDER\"":                            true,
		"bin/sagactl verify --at-rest | grep I1":                      true,
		"bin/sagactl faults list payment; bin/sagactl sql order 'x'":  true,
		"X=$(bin/sagactl order place)":                                false,
		"bin/sagactl order get x; bin/sagactl order cancel x":         false,
		"bin/sagactl faults arm order relay.taken=crash":              false,
		"for n in 1 2; do bin/sagactl  stock  set widget $n; done":    false,
		"curl -X POST localhost":                                      false,
		"bin/sagactl dead-letters redrive x && bin/sagactl verify":    false,
		"bin/sagactl order saga x\nbin/sagactl kill payment":          false,
		"bin/sagactl trace \"$ORDER\" | tail -1":                      true,
		"bin/sagactl incidents list || bin/sagactl dead-letters list": true,
	} {
		p := parse(t, with("Run", "'''sh run\n"+text+"\n'''\n'''expect contains\nx\n'''"))
		if got := p.Blocks[0].Looks(); got != looks {
			t.Errorf("%q looks: %v", text, got)
		}
	}
	p := parse(t, with("Run", "'''sql run service=order\nSELECT 1\n'''\n'''expect contains\n1\n'''"))
	if b := p.Blocks[0]; !b.Looks() || b.Command() != "bin/sagactl sql order 'SELECT 1'" {
		t.Errorf("a query: %v, %s", b.Looks(), b.Command())
	}
}

func TestGuide_LeadsFromBlockToBlock(t *testing.T) {
	t.Parallel()
	p := parse(t, with("Run", "'''sh run start\nbin/sagactl demo --scenes none\n'''\n"+small()["Run"]))
	var commands []string
	for i := p.Next(0); i >= 0; i = p.Next(i + 1) {
		commands = append(commands, p.Blocks[i].Command())
	}
	if got, want := strings.Join(commands, " / "), "X=$(echo 1); echo $X / X=2; echo broken / echo x=$X"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if p.Start().Command() != "bin/sagactl demo --scenes none" || p.Cleanup().Command() != "true" {
		t.Errorf("starts with %q and ends with %q", p.Start().Command(), p.Cleanup().Command())
	}
}

func TestGuide_FindsTheVariablesThatAreNotSet(t *testing.T) {
	t.Parallel()
	p := parse(t, with("Run", "'''sh run\nX=1 YY=2\nZ=3; echo $Z\n'''\n'''expect contains\n3\n'''"))
	if names := p.Variables(); !slices.Equal(names, []string{"X", "Z"}) {
		t.Errorf("the page sets %v", names)
	}
	b := &p.Blocks[4]
	if b.Text != "echo x=$X\n" || len(p.Unset(b, nil)) != 1 || len(p.Unset(b, []string{"XX=1", "X=1"})) != 0 || len(p.Unset(&p.Blocks[2], nil)) != 0 {
		t.Errorf("%q lacks %v", b.Text, p.Unset(b, nil))
	}
	r, err := lab.Open(p, lab.Options{Shared: system(t), Environ: []string{"Z=a b"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Step(t.Context(), &p.Blocks[2]); err != nil {
		t.Fatal(err)
	}
	if values, err := r.Values(t.Context()); err != nil || !slices.Equal(values, []string{"X=2", "Z=a b"}) {
		t.Errorf("%q, %v", values, err)
	}
}

func system(t *testing.T) *lab.System {
	t.Helper()
	s, err := lab.NewSystem(t.Context(), repository(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}
