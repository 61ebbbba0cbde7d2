package main

import "testing"

// What a mutant takes away must stand in the source as it is now, or the mutant says nothing.
func TestMutants_EachChangesTheSourceAsItIs(t *testing.T) {
	t.Parallel()
	root, err := workspaceRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		_, clean, err := m.overlay(root)
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		clean()
	}
}
