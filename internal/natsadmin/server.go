package natsadmin

import (
	"fmt"
	"slices"
	"strings"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

const (
	// maxPayload is the largest message that the broker takes; events are at most 48 KiB.
	maxPayload = 64 << 10
	// syncInterval is how often the broker writes to its disk. At every message would cost 2 to 30 times
	// the throughput; what a power loss takes the relay republishes.
	syncInterval = outbox.SyncInterval
	// OnDisk is how long after its acknowledgement a message is surely on the broker's disk. A process without an
	// outbox must not acknowledge its own input earlier.
	OnDisk = 2 * syncInterval
)

// The logins that are not a service's.
const (
	Provisioner = "provisioner" // creates and keeps the stream and the consumers, and cannot publish an event
	Observer    = "observer"    // reads the stream, and changes nothing
	Translator  = "translator"  // publishes an order in the version that older consumers know, and nothing else
	Registry    = "registry"    // keeps the versions of the events' schemas in a bucket, and sees no event
	Console     = "console"     // may read stored messages, for people; may not subscribe
)

// Logins are all that the broker knows.
func Logins() []string {
	all := []string{Provisioner, Observer, Console, Translator, Registry}
	for _, service := range events.Consumers {
		all = append(all, string(service))
	}
	return all
}

// ServerOptions is what differs between the places where a broker runs.
type ServerOptions struct {
	Host        string // listens here; default 127.0.0.1
	Port        int    // default 4222; -1 is any free one
	StoreDir    string // where JetStream keeps its files; required in production, since the default is lost
	MonitorPort int    // HTTP monitoring on the same host; 0: none
}

// InboxPrefix is where a user's answers arrive, and the only such place that it may listen to: connect
// with nats.CustomInboxPrefix.
func InboxPrefix(user string) string { return "_INBOX." + user }

// PasswordVariable is the environment variable from which the broker takes a user's password. Its value
// must begin with a letter: the configuration's language takes other words for numbers.
func PasswordVariable(user string) string { return "NATS_" + strings.ToUpper(user) + "_PASSWORD" }

// ServerConfig is the text of nats.conf: JetStream, limits, and one user per process with the least that
// it needs. It holds no secret.
func ServerConfig(o ServerOptions) string {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.Port == 0 {
		o.Port = 4222
	}
	var b strings.Builder
	b.WriteString("# Generated from the events' catalogue; see natsadmin.ServerConfig.\n\n")
	fmt.Fprintf(&b, "host: %q\nport: %d\n", o.Host, o.Port)
	if o.MonitorPort != 0 {
		fmt.Fprintf(&b, "http: \"%s:%d\"\n", o.Host, o.MonitorPort)
	}
	fmt.Fprintf(&b, "max_payload: %d\n\njetstream {\n", maxPayload)
	if o.StoreDir != "" {
		fmt.Fprintf(&b, "  store_dir: %q\n", o.StoreDir)
	}
	// Without a limit of its own the server takes three quarters of the disk for it, and refuses to make the
	// stream where that is less than the stream may grow to.
	fmt.Fprintf(&b, "  max_file_store: 16GB\n  sync_interval: %q\n}\n\nauthorization {\n  users = [\n", syncInterval)
	for _, service := range events.Consumers {
		own := []string{pauses(service)}
		if len(events.Publications[service]) > 0 {
			own = append([]string{fmt.Sprintf("saga.%s.>", service)}, own...)
		}
		writeUser(&b, string(service), slices.Concat(own, consumes(string(service)), looks(service), rereads(service)), nil)
	}
	writeUser(&b, Translator, append([]string{events.OrderCreated{}.Type().Filter()}, consumes(Translator)...), nil)
	writeUser(&b, Registry, registryPublishes(), nil)
	writeUser(&b, Provisioner, provisionerPublishes(), nil)
	writeUser(&b, Observer, append(observerPublishes(), lists()...), []string{events.StreamSubjects})
	writeUser(&b, Console, observerPublishes(), nil)
	b.WriteString("  ]\n}\n")
	return b.String()
}

func writeUser(b *strings.Builder, user string, publish, subscribe []string) {
	fmt.Fprintf(b, "    {\n      user: %s\n      password: $%s\n      permissions: {\n", user, PasswordVariable(user))
	fmt.Fprintf(b, "        publish: [%s]\n", list(publish))
	fmt.Fprintf(b, "        subscribe: [%s]\n      }\n    }\n", list(append(subscribe, InboxPrefix(user)+".>")))
}

func list(subjects []string) string {
	quoted := make([]string, len(subjects))
	for i, s := range subjects {
		quoted[i] = fmt.Sprintf("\n          %q", s)
	}
	return strings.Join(quoted, "") + "\n        "
}

// consumes is what it takes to consume from a durable and to notice a new stream.
func consumes(s string) []string {
	return []string{
		fmt.Sprintf("$JS.API.CONSUMER.MSG.NEXT.%s.%s", events.Stream, s),
		fmt.Sprintf("$JS.API.CONSUMER.INFO.%s.%s", events.Stream, s),
		fmt.Sprintf("$JS.API.STREAM.INFO.%s", events.Stream),
		fmt.Sprintf("$JS.ACK.%s.%s.>", events.Stream, s),
		fmt.Sprintf("$JS.ACK.*.*.%s.%s.>", events.Stream, s),
	}
}

// looks is what it takes to see the lag of the service's consumers; see [outbox.Config].Consumers.
func looks(service events.Service) []string {
	var subjects []string
	for _, consumer := range Consumers(service) {
		if consumer != string(service) { // its own it may look at anyway
			subjects = append(subjects, fmt.Sprintf("$JS.API.CONSUMER.INFO.%s.%s", events.Stream, consumer))
		}
	}
	return subjects
}

// Consumers are the durables of the services that consume an event of this one.
func Consumers(of events.Service) []string {
	var names []string
	for _, s := range events.Consumers {
		if slices.ContainsFunc(events.Subscriptions[s], func(t events.Type) bool { return t.Service == of }) {
			names = append(names, string(s))
		}
	}
	return names
}

// pauses is what it takes to pause one's own consumer, and no other's; see [Pause].
func pauses(service events.Service) string {
	return fmt.Sprintf("$JS.API.CONSUMER.PAUSE.%s.%s", events.Stream, service)
}

// rereads is what it takes to notice that one's database has lost commits, and to read the stream once more: the own
// entry of the bucket can be written, all can be read.
func rereads(service events.Service) []string {
	return []string{
		fmt.Sprintf("$KV.%s.%s", Databases, service),
		"$JS.API.STREAM.INFO." + databaseStream,
		"$JS.API.STREAM.MSG.GET." + databaseStream,
		"$JS.API.DIRECT.GET." + events.Stream,
	}
}

func provisionerPublishes() []string {
	subjects := make([]string, 0, 10)
	for _, api := range []string{
		"STREAM.INFO.%s", "STREAM.CREATE.%s", "STREAM.UPDATE.%s", "CONSUMER.LIST.%s", "CONSUMER.INFO.%s.*",
		"CONSUMER.CREATE.%s.>", "DIRECT.GET.%s", // the time of a message that a consumer has not acknowledged
	} {
		subjects = append(subjects, "$JS.API."+fmt.Sprintf(api, events.Stream))
	}
	for _, bucket := range []string{schemaStream, databaseStream} {
		for _, api := range []string{"STREAM.INFO.", "STREAM.CREATE.", "STREAM.UPDATE."} {
			subjects = append(subjects, "$JS.API."+api+bucket)
		}
	}
	return subjects
}

// registryPublishes is what it takes to read and write the entries of one bucket.
func registryPublishes() []string {
	return []string{
		"$KV." + Schemas + ".>",
		"$JS.API.STREAM.INFO." + schemaStream,
		"$JS.API.STREAM.MSG.GET." + schemaStream, // from the leader
	}
}

// lists is what it takes to list the streams, and the consumers of one: what the reports of the nats CLI are made of.
func lists() []string {
	return []string{
		"$JS.API.INFO", "$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES",
		"$JS.API.CONSUMER.LIST." + events.Stream, "$JS.API.CONSUMER.NAMES." + events.Stream,
	}
}

func observerPublishes() []string {
	subjects := make([]string, 0, 5)
	for _, api := range []string{
		"STREAM.INFO.%s", "STREAM.MSG.GET.%s", "DIRECT.GET.%s", "DIRECT.GET.%s.>", "CONSUMER.INFO.%s.*",
	} {
		subjects = append(subjects, "$JS.API."+fmt.Sprintf(api, events.Stream))
	}
	return subjects
}
