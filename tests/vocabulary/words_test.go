package vocabulary

// scope is where a word is refused.
type scope int

const (
	everywhere scope = iota // names in code, files, folders, and the text of pages
	names                   // names only: in a sentence it is plain English
)

// term is a private word for something that the field has a word for. A form of two words stands with a space
// between them and is found in camel case, too: "put off" is putOff. What to write instead stands in
// docs/glossary.md, beside the first form.
type term struct {
	forms []string
	in    scope
}

// terms are the words that this repository once had for itself. Whoever knows NATS, Kafka or a job queue had to
// translate every line of it.
var terms = []term{
	{[]string{"say", "says", "said", "saying", "sayer", "sayers"}, everywhere},
	{[]string{"tell", "tells", "told", "telling", "teller"}, everywhere},
	{[]string{"hear", "hears", "heard", "hearing", "hearer", "hearers"}, everywhere},
	{[]string{"put off", "puts off", "putting off"}, everywhere},
	{[]string{"struggles", "struggle", "struggled", "struggling", "struggler", "strugglers"}, everywhere},
	{[]string{"bury", "buries", "buried"}, everywhere},
	{[]string{"park", "parks", "parked", "parking"}, everywhere},
	{[]string{"give back", "gives back", "gave back", "given back", "giving back"}, everywhere},
	{[]string{"give way", "gives way", "giving way"}, everywhere},
	{[]string{"company"}, names},
	{[]string{"handover"}, everywhere},
	{[]string{"forgetful"}, everywhere},
	{[]string{"amnesia"}, everywhere},
	{[]string{"wish", "wishes", "wished"}, everywhere},
	{[]string{"desk", "desks"}, everywhere},
	{[]string{"colleague", "colleagues"}, everywhere},
	{[]string{"books"}, everywhere},
	{[]string{"mourn", "mourns"}, everywhere},
	{[]string{"adopt", "adopts", "adopted"}, names},
	{[]string{"mailbox", "mailboxes"}, everywhere},
	{[]string{"rage", "rages", "raging"}, everywhere},
	{[]string{"breathe", "breathes"}, everywhere},
	{[]string{"news"}, names},
	{[]string{"manners"}, everywhere},
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
	"docs",
	"docs/adr",
	"docs/reference",
}
