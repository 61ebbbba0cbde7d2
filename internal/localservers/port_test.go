package localservers

import "testing"

func TestFreePort_IsGivenToNobodyElseWhileItsServerIsAway(t *testing.T) {
	t.Parallel()
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	if !portIsFree(port) {
		t.Fatalf("somebody listens on %d", port)
	}
	if Reserve(port) {
		t.Errorf("port %d is given away twice", port)
	}
}
