package translator

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const within = 30 * time.Second

var (
	first  = events.OrderCreated{}.Type()
	second = events.OrderCreatedV2{}.Type()
)

// stage is a broker on which the second version is translated.
type stage struct {
	t      *testing.T
	broker *testkit.NATS
	order  jetstream.JetStream // with the order service's login
	reader jetstream.Stream    // with the observer's
}

func open(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, broker: testkit.OwnBroker(t)}
	s.broker.Provision(t, second)
	s.order = jetStream(t, s.broker.Connect(t, events.Order))
	var err error
	if s.reader, err = jetStream(t, s.broker.ConnectAs(t, natsadmin.Observer)).Stream(t.Context(), events.Stream); err != nil {
		t.Fatal(err)
	}
	return s
}

func jetStream(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// run runs a translator until the test ends or the returned function is called, and returns where it listens.
func (s *stage) run() (url string, stop func()) {
	s.t.Helper()
	port, err := localservers.FreePort()
	if err != nil {
		s.t.Fatal(err)
	}
	env := map[string]string{"NATS_URL": s.broker.URL(natsadmin.Translator), "HTTP_ADDR": fmt.Sprintf("127.0.0.1:%d", port)}
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, func(name string) string { return env[name] }, slog.New(slog.NewTextHandler(s.t.Output(), nil)))
	}()
	over := false
	stop = func() {
		if over {
			return
		}
		over = true
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("it ended with %v", err)
		}
	}
	s.t.Cleanup(stop)
	return "http://" + env["HTTP_ADDR"], stop
}

// announce publishes a new order in its second version, as the order service does, under a message id.
func (s *stage) announce(orderID, eventID, messageID string) {
	s.t.Helper()
	msg := &nats.Msg{Subject: second.SubjectOf(orderID), Data: encoded(s.t, eventID, order(orderID)), Header: nats.Header{}}
	msg.Header.Set(jetstream.MsgIDHeader, messageID)
	testkit.Eventually(s.t, within, "the order to be announced", func() bool {
		_, err := s.order.PublishMsg(s.t.Context(), msg)
		return err == nil
	})
}

// count is how many messages there are on a subject.
func (s *stage) count(subject string) uint64 {
	s.t.Helper()
	info, err := s.reader.Info(s.t.Context(), jetstream.WithSubjectFilter(subject))
	if err != nil {
		return 0
	}
	return info.State.Subjects[subject]
}

// consumer is how far the broker thinks that the translator is.
func (s *stage) consumer() *jetstream.ConsumerInfo {
	s.t.Helper()
	consumer, err := s.reader.Consumer(s.t.Context(), natsadmin.Translator)
	if err != nil {
		return &jetstream.ConsumerInfo{NumPending: 1}
	}
	return consumer.CachedInfo()
}

func (s *stage) settled() bool {
	info := s.consumer()
	return info.NumPending == 0 && info.NumAckPending == 0
}

func (s *stage) translated(orderID string) bool { return s.count(first.SubjectOf(orderID)) == 1 }

func TestTranslator_ADuplicateIsPublishedOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.run()
	orderID, eventID := uuid.NewString(), uuid.NewString()
	for range 3 { // as a relay does that meets a broker which may have forgotten
		s.announce(orderID, eventID, uuid.NewString())
	}
	testkit.Eventually(t, within, "all to be settled", func() bool { return s.count(second.SubjectOf(orderID)) == 3 && s.settled() })
	if got := s.count(first.SubjectOf(orderID)); got != 1 {
		t.Errorf("the order is published %d times in the first version", got)
	}
}

// The original is given up only when the translation is surely on the broker's disk: a power loss takes what
// was acknowledged in its last moments, and here is no outbox to say it from again.
func TestTranslator_AcknowledgesWhenTheTranslationIsOnDisk(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.run()
	orderID := uuid.NewString()
	began := time.Now()
	s.announce(orderID, uuid.NewString(), uuid.NewString())
	testkit.Eventually(t, within, "the order to be translated", func() bool { return s.translated(orderID) })
	if info := s.consumer(); info.NumAckPending != 1 && time.Since(began) < natsadmin.OnDisk {
		t.Errorf("after %v the original is given up: %d unacknowledged", time.Since(began), info.NumAckPending)
	}
	testkit.Eventually(t, within, "the original to be acknowledged", s.settled)
	if took := time.Since(began); took < natsadmin.OnDisk {
		t.Errorf("it was acknowledged after %v, want %v at least", took, natsadmin.OnDisk)
	}
}

// It ends between publishing and acknowledging. The next one translates again, and nobody sees a difference.
func TestTranslator_ARedeliveryHasNoEffect(t *testing.T) {
	t.Parallel()
	s := open(t)
	orderID := s.interrupted()
	s.run()
	testkit.Eventually(t, within, "the original to come again and be acknowledged", s.settled)
	if !s.translated(orderID) {
		t.Errorf("the order is published %d times in the first version", s.count(first.SubjectOf(orderID)))
	}
}

// interrupted is an order whose translator ended after it had published and before it had acknowledged. On a
// machine that is busy it may take some tries to be in between.
func (s *stage) interrupted() (orderID string) {
	s.t.Helper()
	for range 10 {
		_, stop := s.run()
		orderID = uuid.NewString()
		s.announce(orderID, uuid.NewString(), uuid.NewString())
		testkit.Eventually(s.t, within, "the order to be translated", func() bool { return s.translated(orderID) })
		stop()
		if !s.settled() {
			return orderID
		}
	}
	s.t.Fatal("every original was acknowledged before its translator could be ended")
	return ""
}

func TestTranslator_RefusesOneAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	s := open(t)
	url, _ := s.run()
	mixed := order(uuid.NewString())
	mixed.Lines[0].UnitPrice.Currency = "EUR"
	if _, err := s.order.Publish(t.Context(), second.SubjectOf(mixed.OrderID), encoded(t, uuid.NewString(), mixed)); err != nil {
		t.Fatal(err)
	}
	orderID := uuid.NewString()
	s.announce(orderID, uuid.NewString(), uuid.NewString())
	testkit.Eventually(t, within, "the other order to be translated", func() bool { return s.translated(orderID) })
	testkit.Eventually(t, within, "all to be settled", s.settled)
	if got := s.count(first.SubjectOf(mixed.OrderID)); got != 0 {
		t.Errorf("an order in two currencies was published %d times in the first version", got)
	}
	if got := s.count(second.SubjectOf(mixed.OrderID)); got != 1 {
		t.Errorf("the stream has %d of what was refused, want it kept", got)
	}
	if metrics := get(t, url+"/metrics"); !strings.Contains(metrics, `translator_messages_total{outcome="refused"} 1`) {
		t.Errorf("it does not tell that it refused one:\n%s", metrics)
	}
}

func TestTranslator_ComesBackWithTheBroker(t *testing.T) {
	t.Parallel()
	s := open(t)
	url, _ := s.run()
	ready := func() bool { return answers(t, url+"/readyz") == http.StatusOK }
	testkit.Eventually(t, within, "it is ready", ready)
	s.broker.Stop(t)
	testkit.Eventually(t, within, "it says that the broker is gone", func() bool { return answers(t, url+"/readyz") == http.StatusServiceUnavailable })
	s.broker.Wipe(t)
	s.broker.Start(t)
	s.broker.Provision(t, second)
	orderID := uuid.NewString()
	s.announce(orderID, uuid.NewString(), uuid.NewString())
	testkit.Eventually(t, within, "the order to be translated", func() bool { return s.translated(orderID) })
	testkit.Eventually(t, within, "it is ready again", ready)
}

// Without the provisioner's word there is nothing to translate, and it says so instead of looking well.
func TestTranslator_IsNotReadyWithoutItsConsumer(t *testing.T) {
	t.Parallel()
	s := &stage{t: t, broker: testkit.OwnBroker(t)}
	url, _ := s.run()
	testkit.Eventually(t, within, "it answers", func() bool { return answers(t, url+"/healthz") == http.StatusOK })
	if body := get(t, url+"/readyz"); !strings.Contains(body, "TRANSLATED") {
		t.Errorf("it says %s", body)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	body, _ := read(t, url)
	return body
}

func answers(t *testing.T, url string) int {
	t.Helper()
	_, status := read(t, url)
	return status
}

// read asks the translator; no status means that it does not answer.
func read(t *testing.T, url string) (body string, status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", 0
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), response.StatusCode
}
