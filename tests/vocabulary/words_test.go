package vocabulary

// scope is where a word is refused.
type scope int

const (
	everywhere scope = iota // names in code, files, folders, and the text of pages
	names                   // names only: in a sentence it is plain English
)

// term is a private word for something that the field has a word for. A form of two words stands with a space
// between them and is found in camel case, too: "put off" is putOff.
type term struct {
	forms   []string
	in      scope
	instead string // the field's word; docs/glossary.md explains it
}

// terms are the words that this repository once had for itself. Whoever knows NATS, Kafka or a job queue had to
// translate every line of it.
var terms = []term{
	{[]string{"say", "says", "said", "saying", "sayer", "sayers"}, everywhere, "publish"},
	{[]string{"tell", "tells", "told", "telling", "teller"}, everywhere, "publish"},
	{[]string{"hear", "hears", "heard", "hearing", "hearer", "hearers"}, everywhere, "consume"},
	{[]string{"put off", "puts off", "putting off"}, everywhere, "retry"},
	{[]string{"struggle", "struggles", "struggled", "struggling", "struggler", "strugglers"}, everywhere, "retry"},
	{[]string{"bury", "buries", "buried"}, everywhere, "dead letter"},
	{[]string{"park", "parks", "parked", "parking"}, everywhere, "dead letter"},
	{[]string{"give back", "gives back", "gave back", "given back", "giving back"}, everywhere, "nak"},
	{[]string{"give way", "gives way", "giving way"}, everywhere, "throttle"},
	{[]string{"company"}, names, "linger"},
	{[]string{"handover"}, everywhere, "drain"},
	{[]string{"forgetful", "amnesia"}, everywhere, "broker data loss"},
	{[]string{"wish", "wishes", "wished"}, everywhere, "request"},
	{[]string{"desk", "desks"}, everywhere, "admin API"},
	{[]string{"colleague", "colleagues"}, everywhere, "service"},
	{[]string{"books"}, everywhere, "invariant"},
	{[]string{"mourn", "mourns", "adopt", "adopts", "adopted"}, names, "supervisor"},
	{[]string{"rage", "rages", "raging"}, everywhere, "fault injection"},
	{[]string{"breathe", "breathes"}, everywhere, "fault injection"},
	{[]string{"news"}, names, "event log"},
	{[]string{"manners"}, everywhere, ""}, // of a page: its keyboard and focus; no term of messaging
}

// whole are names that are refused only when there is nothing else in them.
var whole = map[string][]string{
	"field": {"again"}, // republish, redelivered
	"type":  {"again", "wanted"},
	"file":  {"again"},
}

// allowed are uses that mean something else, by the file in which they stand.
var allowed = map[string][]string{}

// notYet are the folders that are still being renamed: there, old words are counted and not refused. The list
// only shrinks.
var notYet = []string{
	".",
	"apps/internal/bench",
	"apps/internal/console",
	"apps/internal/demo",
	"apps/internal/gateway",
	"apps/internal/provisioner",
	"apps/internal/registry",
	"apps/internal/sagactl",
	"apps/internal/translator",
	"apps/system/client",
	"apps/system/endpoints",
	"apps/system/eventlog",
	"apps/system/supervisor",
	"apps/system/verify",
	"contracts/pact",
	"contracts/pacttest",
	"contracts/payload",
	"contracts/schema",
	"docs",
	"docs/adr",
	"internal/adminapi",
	"internal/failpoint",
	"internal/grpcserver",
	"internal/localservers",
	"internal/service",
	"pkg/events",
	"pkg/idempotency",
	"pkg/mailbox",
	"pkg/problem",
	"pkg/testkit",
	"services/inventory",
	"services/order",
	"services/payment",
	"services/shipping",
	"tests/browser",
	"tests/chaos",
	"tests/compose",
	"tests/contracts",
	"tests/crash",
	"tests/model",
	"tests/sagas",
	"tests/world",
}
