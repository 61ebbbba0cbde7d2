package contracts

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"example.com/ordersaga/pkg/events"
)

// TestCloudEvents_TheSDKTakesEveryEvent: what is published is a CloudEvent to software that is not ours, which reads
// in it what is there. What 0.1.0 published was none, and is read for ever.
func TestCloudEvents_TheSDKTakesEveryEvent(t *testing.T) {
	t.Parallel()
	for _, version := range events.Versions() {
		t.Run(version.String(), func(t *testing.T) {
			t.Parallel()
			message, err := os.ReadFile("../../pkg/events/testdata/" + version.String() + ".json")
			if err != nil {
				t.Fatal(err)
			}
			ours, _, err := events.Decode(message)
			if err != nil {
				t.Fatal(err)
			}
			var theirs cloudevents.Event
			if err := json.Unmarshal(message, &theirs); err != nil {
				t.Fatalf("the SDK cannot read it: %v", err)
			}
			if err := theirs.Validate(); err != nil {
				t.Errorf("the SDK refuses it: %v", err)
			}
			if theirs.ID() != ours.ID || theirs.Source() != ours.Source || theirs.Type() != ours.Type ||
				theirs.Subject() != ours.Subject || !theirs.Time().Equal(ours.Time) || theirs.DataSchema() != ours.DataSchema ||
				theirs.Extensions()["causationid"] != ours.CausationID {
				t.Errorf("the SDK reads %v", theirs)
			}
			old := bytes.Replace(message, []byte(ours.DataSchema), []byte("/schemas/"+version.Name+"/v1"), 1)
			if json.Unmarshal(old, &theirs) == nil && theirs.Validate() == nil {
				t.Error("the SDK takes a relative dataschema, too, so the check shows nothing")
			}
			if _, _, err := events.Decode(old); err != nil {
				t.Errorf("an event of 0.1.0 is not read any more: %v", err)
			}
		})
	}
}
