package main

// mutants are the guards of the protocol and of the outbox, each taken away from the real source. Where one
// guard hides the absence of another, both are taken away, or the test asserts the mechanism itself.
var mutants = []mutant{
	{
		name: "the inbox does not remember", file: "pkg/outbox/inbox.go",
		old: "if written[d.id] {", new: "if written[d.id] || d.Event != nil {",
		dir: "pkg/outbox", test: "^TestInbox_AnEventTakesEffectOnce$",
	},
	{
		name: "acknowledged before the commit", file: "pkg/outbox/inbox.go",
		old: "	fresh, err := in.commit(tracing, batch, trace)\n",
		new: "	in.ack(ctx, batch)\n	fresh, err := in.commit(tracing, batch, trace)\n",
		dir: "pkg/outbox", test: "^TestInbox_NothingIsAcknowledgedBeforeTheCommit$",
	},
	{
		name: "answers beside the transaction", file: "pkg/outbox/inbox.go",
		old: "	if err := Publish(ctx, tx, answers...); err != nil {",
		new: "	if err := pgx.BeginFunc(ctx, in.Pool, func(own pgx.Tx) error { return Publish(ctx, own, answers...) }); err != nil {",
		dir: "pkg/outbox", test: "^(TestInbox_ABatchIsOneTransaction|TestInbox_AnInterruptedBatchTakesEffectOnce)$",
	},
	{
		name: "marked without an acknowledgement", file: "pkg/outbox/flights.go",
		old: "			f.refused = true\n", new: "			f.seq = 1\n",
		dir: "pkg/outbox", test: "^(TestRelay_ARowIsMarkedOnlyWhenAcknowledged|TestRelay_WaitsForAFullStream)$",
	},
	{
		name: "a relay that dies of an error", file: "pkg/outbox/relay.go",
		old: "			r.Observe(PublishErrors, \"\", 1)\n", new: "			r.Observe(PublishErrors, \"\", 1)\n			return\n",
		dir: "pkg/outbox", test: "^TestRelay_SurvivesABrokerOutage$",
	},
	{
		name: "published rows are deleted by range", file: "pkg/outbox/recovery/sweeper.go",
		old: "DELETE FROM outbox_message WHERE id = ANY (ARRAY(SELECT id FROM old))`",
		new: "DELETE FROM outbox_message WHERE position <= (SELECT max(position) FROM outbox_message JOIN old USING (id))`",
		dir: "pkg/outbox", test: "^TestSweeper_DeletesOldRows$",
	},
	{
		name: "the relay reads only what comes after the last mark", file: "pkg/outbox/relay.go",
		old: "SELECT * FROM outbox_due WHERE owner = $4 AND NOT republish AND",
		new: "SELECT * FROM outbox_due WHERE owner = $4 AND NOT republish AND position > (SELECT COALESCE(max(position), 0) FROM outbox WHERE published_at IS NOT NULL) AND",
		dir: "pkg/outbox", test: "^TestRelay_ALateCommitIsNotSkipped$",
	},
	{
		name: "marked whatever the stream is", file: "pkg/outbox/recovery/marks.go",
		old: " AND EXISTS (SELECT FROM same)", new: " AND $4::timestamptz IS NOT NULL",
		dir: "pkg/outbox", test: "^TestBroker_AStaleAcknowledgementMarksNothing$",
	},
	{
		name: "marked whoever has met the broker since", file: "pkg/outbox/recovery/marks.go",
		old: " AND met_at = $5 FOR SHARE", new: " AND $5::timestamptz IS NOT NULL FOR SHARE",
		dir: "pkg/outbox", test: "^TestBroker_AStaleAcknowledgementMarksNothing$",
	},
	{
		name: "marks in no order", file: "pkg/outbox/recovery/marks.go",
		old: " ORDER BY position) AS ack", new: ") AS ack",
		dir: "pkg/outbox", test: "^TestOwnership_MarksHaveOneOrder$",
	},
	{
		name: "every replica republishes", file: "pkg/outbox/recovery/recovery.go",
		old: "	if r.known.server == server {\n		was.server = server", new: "	if r.known.server != \"\" {\n		was.server = r.known.server",
		dir: "pkg/outbox", test: "^TestReplicas_OneOfThemRepublishes$",
	},
	{
		name: "every relay publishes every row", file: "pkg/outbox/relay.go",
		old: "SELECT * FROM outbox_due WHERE owner = $4 AND NOT republish AND", new: "SELECT * FROM outbox_due WHERE NOT republish AND",
		dir: "pkg/outbox", test: "^TestReplicas_ARowIsPublishedByOneOfThem$",
	},
	{
		name: "a dead relay's rows are never taken over", file: "pkg/outbox/ownership/ownership.go",
		old: "WHERE seen_at < now() - $1::interval FOR", new: "WHERE seen_at < now() - $1::interval - interval '1 day' FOR",
		dir: "pkg/outbox", test: "^(TestOwnership_RowsChangeHandsWhenTheirOwnerIsDead|TestReplicas_AnotherOnePublishesWhatADeadOneLeaves)$",
	},
	{
		name: "a living relay's rows are taken over", file: "pkg/outbox/ownership/ownership.go",
		old: "WHERE owner NOT IN (SELECT id FROM outbox_relay) LIMIT 1", new: "WHERE owner <> $1 LIMIT 1",
		dir: "pkg/outbox", test: "^TestOwnership_RowsChangeHandsWhenTheirOwnerIsDead$",
	},
	{
		name: "a relay does not say that it lives", file: "pkg/outbox/ownership/ownership.go",
		old: "DO UPDATE SET seen_at = now()\n", new: "DO UPDATE SET seen_at = outbox_relay.seen_at\n",
		dir: "pkg/outbox", test: "^TestReplicas_ARelayIsSeenAsLongAsItPublishes$",
	},
	{
		name: "a round sorts the whole backlog", file: "pkg/outbox/relay.go",
		old: "\"enable_bitmapscan\", ", new: "",
		dir: "pkg/outbox", test: "^TestOwnership_ARoundDoesNotReadTheWholeBacklog$",
	},
	{
		name: "every replica does what one is enough for", file: "pkg/outbox/ownership/ownership.go",
		old: "if o.later.Load() {", new: "if o == nil {",
		dir: "pkg/outbox", test: "^TestReplicas_OneOfThemDoesWhatOneIsEnoughFor$",
	},
	{
		name: "taking over waits for locks", file: "pkg/outbox/ownership/ownership.go",
		old: "LIMIT $2 FOR UPDATE SKIP LOCKED", new: "LIMIT $2 FOR UPDATE",
		dir: "pkg/outbox", test: "^TestOwnership_TakingOverWaitsForNobody$",
	},
	{
		name: "a relay that ends does not say so", file: "pkg/outbox/ownership/ownership.go",
		old: "`DELETE FROM outbox_relay WHERE id = $1`", new: "`DELETE FROM outbox_relay WHERE id <> $1`",
		dir: "pkg/outbox", test: "^TestReplicas_OneThatEndsLeavesItsRowsAtOnce$",
	},
	{
		name: "a lost stream is not noticed", file: "pkg/outbox/recovery/marks.go",
		old: "`published_at > now() - $1::interval`, Retention)", new: "`false AND $1::interval IS NULL`, Retention)",
		dir: "pkg/outbox", test: "^TestBroker_ALostStreamIsRepublished$",
	},
	{
		name: "a lease is not renewed", file: "services/payment/charge/store.go",
		old: "SET lease_until = now() + $3::interval\n", new: "SET lease_until = lease_until + 0 * $3::interval\n",
		dir: "services/payment", test: "^TestLease_IsRenewedWhileItsWorkerWorks$",
	},
	{
		name: "a lease that has ended is renewed", file: "services/payment/charge/store.go",
		old: "lease_token = $2 AND lease_until > now()`", new: "lease_token = $2`",
		dir: "services/payment", test: "^TestLease_IsRenewedWhileItsWorkerWorks$",
	},
	{
		name: "an event waits long for a database that was away", file: "pkg/outbox/inbox.go",
		old: "in.retry(ctx, batch, err, maxPause)", new: "in.retry(ctx, batch, err, maxRetryDelay)",
		dir: "pkg/outbox", test: "^TestInbox_AnEventDoesNotWaitLongForADatabaseThatWasAway$",
	},
	{
		name: "new rows wait for republished ones", file: "pkg/outbox/recovery/marks.go",
		old: "SELECT $2, true, position, id FROM outbox_message", new: "SELECT $2, false, position, id FROM outbox_message",
		dir: "pkg/outbox", test: "^TestBroker_RepublishedRowsComeAfterNewOnes$",
	},
	{
		name: "republishing is not throttled", file: "pkg/outbox/recovery/throttle.go",
		old: "NumPending >= mostPending }", new: "NumPending > 1<<40 }",
		dir: "pkg/outbox", test: "^TestBroker_RepublishedRowsComeAfterNewOnes$",
	},
	{
		name: "an older version reaches the step as it is", file: "pkg/outbox/inbox.go",
		old: "		d.Event = d.handler.convert(d.Event)\n", new: "",
		dir: "pkg/outbox", test: "^TestUpcast_TheStepGetsTheNewVersion$",
	},
	{
		name: "a translation has a new id each time", file: "apps/internal/translator/translate.go",
		old: "	return messaging.TranslatedID(space, as.String()).String(), nil", new: "	return messaging.TranslatedID(uuid.New(), as.String()+space.String()).String(), nil",
		dir: "apps/internal/translator", test: "^(TestTranslate_TwiceIsTheSameEvent|TestTranslator_ADuplicateIsPublishedOnce)$",
	},
	{
		name: "a translation is forgotten before it is on the disk", file: "apps/internal/translator/consume.go",
		old: "time.Now().Add(natsadmin.OnDisk)", new: "time.Now()",
		dir: "apps/internal/translator", test: "^TestTranslator_AcknowledgesWhenTheTranslationIsOnDisk$",
	},
	{
		name: "the versions of the API have keys of their own", file: "services/order/http.go",
		old: `idempotency.ForOperation("POST "+v.Path(""), scopeOrders, key, body)`, new: `idempotency.ForOperation("POST "+v.Path(""), v.Path(""), key, body)`,
		dir: "services/order", test: "^TestVersion_AKeyOfOneIsRefusedInTheOther$",
	},
	{
		name: "inventory leaves no tombstone", file: "services/inventory/store.go",
		old: "INSERT INTO reservation (order_id, state, reason) VALUES ($1, 'RELEASED', $2)",
		new: "INSERT INTO reservation (order_id, state, reason) SELECT $1, 'RELEASED', $2 WHERE EXISTS (SELECT FROM reservation WHERE order_id = $1)",
		dir: "services/inventory", test: "^TestSaga_EveryOrderOfEvents$",
	},
	{
		name: "inventory releases at any state", file: "services/inventory/store.go",
		old: "		WHERE reservation.state = 'RESERVED'\n		RETURNING lines", new: "		RETURNING lines",
		dir: "services/inventory", test: "^TestSaga_EveryOrderOfEvents$",
	},
	{
		name: "orders of a batch hold the same stock", file: "services/inventory/store.go",
		old: "HAVING coalesce(available, 0) < sum(quantity)", new: "HAVING coalesce(available, 0) < min(quantity)",
		dir: "services/inventory", test: "^TestReserve_ABatchIsLikeOneAfterTheOther$",
	},
	{
		name: "an order of a batch holds stock again", file: "services/inventory/store.go",
		old: "FROM needed JOIN recorded USING (order_id) GROUP BY sku", new: "FROM needed WHERE EXISTS (SELECT FROM recorded) GROUP BY sku",
		dir: "services/inventory", test: "^TestReserve_ABatchIsLikeOneAfterTheOther$",
	},
	{
		name: "plans for empty tables read them whole", file: "internal/service/database.go",
		old: `"enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"`, new: `"jit"`,
		dir: "internal/service", test: "^TestPlanByKey_APlanFromBeforeTheRowsLooksThemUp$",
	},
	{
		name: "a database server that hangs is waited for", file: "internal/postgres/conn.go",
		old: "	if !c.fixed {\n", new: "	if c.patience < 0 {\n",
		dir: "internal/postgres", test: "^TestPool_LeavesAHostThatHangs$",
	},
	{
		name: "a host that hangs is waited for each time", file: "internal/postgres/conn.go",
		old: "c.waits = hungTime", new: "c.waits = c.patience",
		dir: "internal/postgres", test: "^TestPool_LeavesAHostThatHangs$",
	},
	{
		name: "a statement is cancelled at the server", file: "internal/postgres/conn.go",
		old: "return undialled{c.Conn.RemoteAddr()}", new: "return c.Conn.RemoteAddr()",
		dir: "internal/postgres", test: "^TestPool_CancelsNothingAtTheServer$",
	},
	{
		name: "a pool keeps a server that only reads", file: "internal/postgres/postgres.go",
		old: "	readOnly: true,", new: "	readOnly: false,",
		dir: "internal/postgres", test: "^TestPool_DropsAServerThatDoesNoWork$",
	},
	{
		name: "a full disk is no reason to be not ready", file: "internal/postgres/writable.go",
		old: "generate_series(1, 128)", new: "generate_series(1, 1)",
		dir: "internal/postgres", test: "^TestProbe_AFullDisk$",
	},
	{
		name: "a charge is dropped when its client leaves", file: "apps/internal/gateway/payments.go",
		old: "	going := context.WithoutCancel(ctx)", new: "	going := ctx",
		dir: "apps/internal/gateway", test: "^TestTokens_ACardIsChargedForAClientThatHasLeft$",
	},
	{
		name: "shipping leaves no fence", file: "services/shipping/saga.go",
		old: "order.Repeat, order.Snapshot}\n	}\n	return store(ctx, tx, outcomes)",
		new: "order.Repeat, order.Snapshot}\n	}\n	answers := make([]events.Event, len(outcomes))\n	for i, o := range outcomes {\n		answers[i] = o.answer()\n	}\n	return answers, nil",
		dir: "services/shipping", test: "^TestSaga_EveryOrderOfEvents$",
	},
	{
		name: "shipping does not answer who asks again", file: "services/shipping/saga.go",
		old: "			if !o.asked.Repeated() {", new: "			if o.orderID != \"\" {",
		dir: "services/shipping", test: "^TestSaga_EveryOrderOfEvents$",
	},
	{
		name: "payment does not answer who asks again", file: "services/payment/saga.go",
		old: "	case state != \"\" && failed.Repeated():", new: "	case state == \"\" && failed.Repeated():",
		dir: "services/payment", test: "^TestSaga_ARepeatedEventIsAnsweredFromTheRow$",
	},
	{
		name: "payment charges again when it is asked again", file: "services/payment/store.go",
		old: "snapshot, cause_id, traceparent)\n		ON CONFLICT (order_id) DO NOTHING",
		new: "snapshot, cause_id, traceparent)\n		ON CONFLICT (order_id) DO UPDATE SET state = 'INTENT'",
		dir: "services/payment", test: "^TestSaga_ARepeatedEventIsAnsweredFromTheRow$",
	},
	{
		name: "inventory does not answer who asks again", file: "services/inventory/saga.go",
		old: "	case !released && repeat.Repeated():", new: "	case released && repeat.Repeated():",
		dir: "services/inventory", test: "^TestSaga_ARepeatedEventIsAnsweredFromTheRow$",
	},
	{
		name: "stock that nobody can be asked about is in the way of the rest", file: "services/inventory/store.go",
		old: "			WHERE order_id IN (`+which+`)\n", new: "			WHERE snapshot IS NOT NULL AND order_id IN (`+which+`)\n",
		dir: "services/inventory", test: "^TestDatabase_StockHeldFromBeforeIsAskedAbout$",
	},
	{
		name: "requests are made again for ever", file: "internal/asking/asking.go",
		old: "	Most = 5\n", new: "	Most = 50\n",
		dir: "services/order", test: "^TestSweeper_AsksAgainWithLongerPausesAndNotForEver$",
	},
	{
		name: "requests are made again at a steady pace", file: "internal/asking/asking.go",
		old: "power(30, attempt - 2)", new: "power(1, attempt - 2)",
		dir: "services/inventory", test: "^TestSweeper_AsksAgainAboutStockThatIsHeldForTooLong$",
	},
	{
		name: "all requests are made again at once", file: "internal/asking/asking.go",
		old: "	AtOnce = 50\n", new: "	AtOnce = 5000\n",
		dir: "services/inventory", test: "^TestSweeper_ManyThatWaitAreNoStorm$",
	},
	{
		name: "a terminal order is confirmed", file: "services/order/store.go",
		old: "WHERE orders.id = shipment.order_id AND status IN ('PENDING', 'CANCELLING')",
		new: "WHERE orders.id = shipment.order_id AND status <> 'CONFIRMED'",
		dir: "services/order", test: "^TestSaga_EveryEventAtEveryState$",
	},
	{
		name: "payment leaves no tombstone", file: "services/payment/store.go",
		old: "INSERT INTO payment (order_id, state, reason) VALUES ($1, 'VOIDED', $2)",
		new: "INSERT INTO payment (order_id, state, reason) SELECT $1, 'VOIDED', $2 WHERE false",
		dir: "services/payment", test: "^TestSaga_ACancelThatComesFirstLeavesATombstoneThatIsNeverCharged$",
	},
	{
		name: "a new key for every attempt", file: "services/payment/charge/domain.go",
		old: "func Key(reference string) string { return \"charge:\" + reference }",
		new: "func Key(reference string) string { return fmt.Sprintf(\"charge:%s:%d\", reference, time.Now().UnixNano()) }",
		dir: "services/payment", test: "^TestResolve_ALostAnswerIsAskedForUnderTheSameKey$",
	},
	{
		name: "a new key for every attempt of a refund", file: "services/payment/charge/domain.go",
		old: "return fmt.Sprintf(\"refund:%s:%d\", p.ChargeID, p.RefundNumber) }",
		new: "return fmt.Sprintf(\"refund:%s:%d:%d\", p.ChargeID, p.RefundNumber, time.Now().UnixNano()) }",
		dir: "services/payment", test: "^TestRefund_ThatTwoWorkersSendIsMadeOnce$",
	},
	{
		name: "a refund without a key of its own", file: "services/payment/charge/domain.go",
		old: "return fmt.Sprintf(\"refund:%s:%d\", p.ChargeID, p.RefundNumber) }", new: "return Key(p.OrderID) }",
		dir: "services/payment", test: "^TestRefund_ThatTwoWorkersSendIsMadeOnce$",
	},
	{
		name: "a missing answer is taken for a decline", file: "services/payment/charge/domain.go",
		old: "		return Change{State: Unknown, Reason: p.Reason}.undecided(o, overdue, KindChargeUndecided)",
		new: "		return Change{State: Declined, Reason: o.Reason, Event: events.PaymentFailed{Subject: p.Subject(), Reason: o.Reason}}",
		dir: "services/payment", test: "^TestResolve_ALostAnswerIsAskedForUnderTheSameKey$",
	},
	{
		name: "a refusal after another worker's request is definite", file: "services/payment/charge/charge.go",
		old: "if !asked.Refused || c.Attempts != 1 {", new: "if !asked.Refused {",
		dir: "services/payment", test: "^TestRefusal_AfterAWorkerDiedDecidesNothing$",
	},
	{
		name: "a refusal of what is not the gateway is definite", file: "services/payment/charge/classify.go",
		old: "	case p.Code == nil || !p.Code.Valid() || *p.Code == api.KeyReused:\n		return \"\"\n",
		new: "	case p.Code == nil:\n		return string(api.InvalidRequest)\n",
		dir: "services/payment", test: "^TestRefusal_IsTheGatewaysOwnOrDecidesNothing$",
	},
	{
		name: "what the ambassador sent twice counts as once", file: "services/payment/charge/classify.go",
		old: "case a.sent != 1 || strings.Join(a.header.Values(attemptsHeader), \",\") != \"1\":", new: "case a.sent != 1:",
		dir: "services/payment", test: "^TestRefusal_IsTheGatewaysOwnOrDecidesNothing$",
	},
	{
		name: "a line without a price is sold", file: "services/order/domain.go",
		old: "case unit.Amount < 1:", new: "case unit.Amount < -1:",
		dir: "services/order", test: "^TestAccept_PricesTheCommandOrRefusesIt$",
	},
	{
		name: "a price that cannot be charged is entered", file: "services/order/migrations/00004_price_limits.sql",
		old: "CHECK (amount >= 1 AND currency IN", new: "CHECK (amount >= 0 OR currency IN",
		dir: "services/order", test: "^TestDatabase_APriceCanBeCharged$",
	},
	{
		name: "a letter that names no order is nobody's", file: "internal/messaging/messaging.go",
		old: "!IsID(row.Key) && IsID(row.Subject[at+1:])", new: "row.Key == row.Subject",
		dir: "internal/messaging", test: "^TestMessage_ThatTheContractForbidsIsADeadLetter$",
	},
	{
		name: "a body is in two charsets", file: "internal/ijson/ijson.go",
		old: "err != nil || twice || named", new: "err == nil && !twice && named",
		dir: "internal/ijson", test: "^TestEncoded_TakesUTF8AloneNamedOnce$",
	},
	{
		name: "a version's media type hides the charset", file: "services/order/apiversion/apiversion.go",
		old: "PlainJSON + \";\" + parameters", new: "PlainJSON + parameters[:0]",
		dir: "services/order", test: "^TestAPI_ABodyIsOfOneTypeInUTF8$",
	},
	{
		name: "an operator's body in another charset takes effect", file: "internal/adminapi/http.go",
		old: "if err := ijson.Encoded(r.Header); err != nil {", new: "if err := ijson.Encoded(nil); err != nil {",
		dir: "internal/adminapi", test: "^TestAdmin_ABodyInAnotherCharsetDoesNothing$",
	},
	{
		name: "of two services with one id the last is taken", file: "apps/internal/sagactl/admin.go",
		old: "	case 1:\n		return item, nil\n", new: "	default:\n		return item, nil\n",
		dir: "apps/internal/sagactl", test: "^TestFind_AnIDOfTwoServicesNeedsTheService$",
	},
	{
		name: "an event in another charset takes effect", file: "internal/messaging/codec.go",
		old: "if !jsontext.Value(message).IsValid() {", new: "if jsontext.Value(message) == nil {",
		dir: "internal/messaging", test: "^TestMessage_ThatTheContractForbidsIsADeadLetter$",
	},
	{
		name: "a message opens the letter of an event that has taken effect", file: "pkg/outbox/deadletter.go",
		old: "\n		WHERE coalesce(dead_letter.closed_as, 'discarded') = 'discarded'", new: "",
		dir: "internal/adminapi", test: "^TestDeadLetter_OfAnEventThatHasTakenEffectStaysClosed$",
	},
	{
		name: "a key is held longer than its payment", file: "services/payment/direct/direct.go",
		old: "o.Request, charge.LeaseTime, keepKeys", new: "o.Request, 4*charge.LeaseTime, keepKeys",
		dir: "services/payment", test: "^TestDirect_ARequestIsTakenOverAtItsRecoveryPoint$",
	},
	{
		name: "a database that is away is a fault of ours", file: "pkg/problem/problem.go",
		old: "	case away(err):\n", new: "	case away(err) && err == nil:\n",
		dir: "services/shipping", test: "^TestAPI_ADatabaseThatIsAwayIsA503$",
	},
	{
		name: "a list stops in silence", file: "internal/adminapi/page.go",
		old: "if len(list) <= limit {", new: "if len(list) <= limit+1 {",
		dir: "internal/adminapi", test: "^TestIncidents_TheOldestIsReachedPageByPage$",
	},
	{
		name: "a page ends at a time, and not at an item", file: "internal/adminapi/incidents.go",
		old: "(opened_at, id) < (coalesce($3::timestamptz, 'infinity'), coalesce($4::uuid, '`+lastID+`'))", new: "opened_at < coalesce($3::timestamptz, 'infinity') AND $4::uuid IS NOT DISTINCT FROM $4",
		dir: "internal/adminapi", test: "^TestIncidents_TheOldestIsReachedPageByPage$",
	},
	{
		name: "a fault is armed where it can never fire", file: "internal/failpoint/set.go",
		old: "!slices.Contains(services, s.service)", new: "len(services) > 9",
		dir: "internal/failpoint", test: "^TestFromEnv$",
	},
	{
		name: "the door lets in what can never be charged", file: "services/order/domain.go",
		old: "command.PaymentMethod); why != \"\" {", new: "command.PaymentMethod); why == \"never\" {",
		dir: "services/order", test: "^TestAccept_PricesTheCommandOrRefusesIt$",
	},
	{
		name: "a reference is charged once, whatever the amount", file: "services/payment/direct/requests.go",
		old: "if p.ChargeRequest != key || !same {", new: "if p.ChargeRequest != key || !same && p.Amount == 0 {",
		dir: "services/payment", test: "^TestDirect_BeneathAnExpiredKeyTheWholeRequestIsCompared$",
	},
	{
		name: "a retry asks for what is back already", file: "services/payment/charge/domain.go",
		old: "change.RefundAmount = rest", new: "change.RefundAmount = p.Captured",
		dir: "services/payment", test: "^TestParts_ARetryAsksForTheRestAlone$",
	},
	{
		name: "a part is booked whenever it is shown", file: "services/payment/charge/classify.go",
		old: "if slices.Contains(p.Booked, refund.ID) {", new: "if slices.Contains(p.Booked, refund.ID+refund.Status) {",
		dir: "services/payment", test: "^TestParts_ARetryAsksForTheRestAlone$",
	},
	{
		name: "a part of the money ends the payment", file: "services/payment/charge/domain.go",
		old: "case rest == 0:", new: "case rest < p.Captured:",
		dir: "services/payment", test: "^TestParts_ARetryAsksForTheRestAlone$",
	},
	{
		name: "more than was captured is booked", file: "services/payment/charge/classify.go",
		old: "if rest := p.Rest(found); rest < 0 {", new: "if rest := p.Rest(found); rest < -p.Captured {",
		dir: "services/payment", test: "^TestParts_MoreThanWasCapturedIsRefusedInWords$",
	},
	{
		name: "an incident offers what would be refused", file: "services/payment/repair/plan.go",
		old: "found.shown, found.definite != nil); err == nil {", new: "found.shown, found.definite != nil); err == nil || step.Action != \"\" {",
		dir: "services/payment", test: "^TestIncident_OffersWhatWouldBeAccepted$",
	},
	{
		name: "nobody is answered about a shipment from before", file: "services/shipping/saga.go",
		old: "cmp.Or(o.Order, o.order)", new: "cmp.Or(o.Order, nil)",
		dir: "services/shipping", test: "^TestMigrations_ShipmentsFromBeforeOrdersWereKeptAreAnsweredAbout$",
	},
	{
		name: "a refund by hand undoes an order that stands", file: "services/payment/charge/domain.go",
		old: "Captured, p.RefundAmount, nil, nil\n", new: "change.State, p.RefundAmount, change.Event, nil\n",
		dir: "services/payment", test: "^TestParts_OfAnOrderThatStandsAreAccepted$",
	},
	{
		name: "a refund that nobody shows is accepted", file: "services/payment/repair/plan.go",
		old: "case c.Outcome == asRefund && !named:", new: "case c.Outcome == asRefund && !named && p.State != charge.Captured:",
		dir: "services/payment", test: "^TestParts_OfAnOrderThatStandsAreNotBelieved$",
	},
	{
		name: "what is back already is asked for when the order is undone", file: "services/payment/charge/charge.go",
		old: "if c.Returned > 0 && c.Rest(nil) == 0 {", new: "if c.Returned > 0 && c.Rest(nil) < 0 {",
		dir: "services/payment", test: "^TestParts_OfAnOrderThatIsUndoneAfterTheyWereAccepted$",
	},
	{
		name: "an expired key is a new refund", file: "services/payment/direct/requests.go",
		old: "case err == nil && !before.same(p, refund):", new: "case err == nil && before.orderID == \"\":",
		dir: "services/payment", test: "^TestDirect_AnExpiredKeyIsNoNewRefund$",
	},
	{
		name: "a new refund has the old one's number", file: "services/payment/direct/store.go",
		old: "refund_number = refund_number + (state <> 'CAPTURED')::int,", new: "refund_number = refund_number,",
		dir: "services/payment", test: "^TestDirect_ANewKeyTriesARefusedRefundAgain$",
	},
	{
		name: "parts may sum to more than is left", file: "services/payment/direct/requests.go",
		old: "case amount > left ||", new: "case amount > p.Captured ||",
		dir: "services/payment", test: "^TestDirect_RefundsInPartsSumToWhatWasCaptured$",
	},
	{
		name: "an order's charge is compared by its id alone", file: "services/payment/store.go",
		old: "if err == nil && !same {", new: "if err == nil && !same && order.OrderID == \"\" {",
		dir: "services/payment", test: "^TestSaga_AnotherChargeUnderTheSameOrderIsRefused$",
	},
	{
		name: "an order's charge is compared, and not what it is for", file: "services/payment/store.go",
		old: "coalesce(snapshot = $5, true)", new: "$5::jsonb IS NOT NULL",
		dir: "services/payment", test: "^TestSaga_AnotherChargeUnderTheSameOrderIsRefused$",
	},
	{
		name: "an order is shipped once, whatever the address", file: "services/shipping/store.go",
		old: "coalesce(ship_to = $2, true) AND", new: "($2::jsonb IS NULL OR true) AND",
		dir: "services/shipping", test: "^TestSaga_AnotherParcelForTheSameOrderIsADeadLetter$",
	},
	{
		name: "an order is shipped once, whatever the goods", file: "services/shipping/store.go",
		old: "AND coalesce(snapshot = $3, true)", new: "AND ($3::jsonb IS NULL OR true)",
		dir: "services/shipping", test: "^TestSaga_AnotherParcelForTheSameOrderIsADeadLetter$",
	},
	{
		name: "stock is held once, whatever the lines", file: "services/inventory/store.go",
		old: "coalesce(lines = $2, true) AND", new: "($2::jsonb IS NULL OR true) AND",
		dir: "services/inventory", test: "^TestSaga_AnotherOrderUnderTheSameIDIsADeadLetter$",
	},
	{
		name: "stock is held once, whatever the order", file: "services/inventory/store.go",
		old: "AND coalesce(snapshot = $3, true)", new: "AND ($3::jsonb IS NULL OR true)",
		dir: "services/inventory", test: "^TestSaga_AnotherOrderUnderTheSameIDIsADeadLetter$",
	},
	{
		name: "a mail is left once, whoever it is for", file: "services/notification/store.go",
		old: "AND recipient <> $3)", new: "AND recipient < $3 AND recipient > $3)",
		dir: "services/notification", test: "^TestSaga_AMailToSomebodyElseIsADeadLetter$",
	},
	{
		name: "HEAD is not GET", file: "internal/httpserver/process.go",
		old: "asGet(handler)", new: "handler",
		dir: "internal/httpserver", test: "^TestNew_HEADIsAnsweredAsGETWithoutABody$",
	},
	{
		name: "how the money came back is why the order was cancelled, in payment", file: "services/payment/charge/domain.go",
		old: "p.Book(found, Settled, p.Reason)", new: "p.Book(found, Settled, \"settlement\")",
		dir: "services/payment", test: "^TestRepair_ASettlementOutsideTheGatewayEndsTheSaga$",
	},
	{
		name: "how the money came back is why the order was cancelled, in order", file: "services/order/store.go",
		old: "reason = CASE WHEN status = 'CANCELLING' AND $2 = 'cancelled' THEN reason ELSE $2 END", new: "reason = $2",
		dir: "services/order", test: "^TestSaga_EveryEventAtEveryState$",
	},
	{
		name: "not found is definite at once", file: "services/payment/charge/classify.go",
		old: "case len(charges) == 0 && c.Horizon:", new: "case len(charges) == 0:\n		return Outcome{Decision: No, Reason: NotCharged}\n	case len(charges) == 0 && c.Horizon:",
		dir: "services/payment", test: "^TestResolve_NotFoundIsDefiniteOnlyBehindTheHorizon$",
	},
	{
		name: "an answer without a list is an empty list", file: "services/payment/charge/gateway.go",
		old: "if found.Charges == nil || ", new: "if ",
		dir: "services/payment", test: "^TestLookUp_IsTheGatewaysOwnListOrDecidesNothing$",
	},
	{
		name: "whatever a look-up shows has moved", file: "services/payment/charge/classify.go",
		old: "return r.ID != \"\" && r.Amount > 0 && r.Status == succeeded && !slices", new: "return !slices",
		dir: "services/payment", test: "^TestLookUp_IsTheGatewaysOwnListOrDecidesNothing$",
	},
	{
		name: "a page of a proxy is a look-up", file: "services/payment/charge/gateway.go",
		old: "if got.mediaType() != \"application/json\" || json", new: "if json",
		dir: "services/payment", test: "^TestLookUp_IsTheGatewaysOwnListOrDecidesNothing$",
	},
	{
		name: "the lease's token is not asked for", file: "services/payment/charge/store.go",
		old: "		  ON p.order_id = claimed.order_id AND p.lease_token = claimed.token\n", new: "		  ON p.order_id = claimed.order_id\n",
		more: []edit{{"services/payment/charge/store.go", "`+Columns+`, p.lease_token::text,\n			coalesce", "`+Columns+`, claimed.token::text,\n			coalesce"}}, // or the answer finds no payment of its token
		dir:  "services/payment", test: "^TestLease_TheAnswerOfAWorkerWhoseLeaseEndedIsDropped$",
	},
	{
		name: "a cancel voids over an open charge", file: "services/payment/domain.go",
		old: "	return s == charge.Captured, s == charge.Intent || s == charge.Unknown\n", new: "	return s == charge.Captured, false\n",
		dir: "services/payment", test: "^TestResolve_ACancelMeetsAnUnknownCharge$",
	},
	{
		name: "nobody looks for late captures", file: "services/payment/reconcile/store.go",
		old: "ORDER BY l.position LIMIT 1\n", new: "ORDER BY l.position LIMIT 0\n",
		dir: "services/payment", test: "^TestReconcile_AChargeThatArrivesBehindTheHorizonIsRefunded$",
	},
	{
		name: "what is booked during a round is the gateway's alone", file: "services/payment/reconcile/store.go",
		old: "(SELECT FROM ledger_entry e WHERE `+", new: "(SELECT FROM ledger_entry e WHERE false AND `+",
		dir: "services/payment", test: "^TestReconcile_WhatIsBookedDuringARoundIsNotADifference$",
	},
	{
		name: "our ledger is compared with lines that were read before", file: "services/payment/reconcile/reconcile.go",
		old: "asOf.Add(-r.grace)", new: "asOf.Add(time.Since(asOf)-r.grace)",
		dir: "services/payment", test: "^TestReconcile_WhatIsBookedDuringARoundIsNotADifference$",
	},
	{
		name: "contracts: a consumer reads a field more", file: "services/shipping/saga.go",
		old: "		outcomes[i] = outcome{fence(), ",
		new: "		s := fence()\n		s.Reason = order.Reason\n		outcomes[i] = outcome{s, ",
		dir: "services/shipping", test: "^TestPacts_ShippingReads$",
	},
	{
		name: "contracts: a provider calls a field otherwise", file: "pkg/events/events.go",
		old: "	Amount   Money  `json:\"amount\"`\n", new: "	Amount   Money  `json:\"sum\"`\n",
		dir: "services/payment", test: "^TestPacts_PaymentPublishesWhatIsRead$",
	},
	{
		name: "contracts: an API calls a field otherwise", file: "contracts/gateway/api/api.gen.go",
		old: "	DeclineCode       string        `json:\"decline_code\"`\n", new: "	DeclineCode       string        `json:\"reason\"`\n",
		dir: "apps/internal/gateway", test: "^TestPacts_GatewayAnswersWhatIsRead$",
	},
	{
		name: "contracts: what cannot be judged is called compatible", file: "contracts/pact/breaks.go",
		old: "		why := r.What\n		if r.Answer == schema.CannotJudge {\n			why = \"it cannot be judged: \" + why\n		}\n",
		new: "		if r.Answer == schema.CannotJudge {\n			continue\n		}\n		why := r.What\n",
		dir: "contracts/pact", test: "^TestBreaks_NamesTheConsumersAndTheFields$",
	},
	{
		name: "schema: what the reader requires is not asked for", file: "contracts/schema/objects.go",
		old: "	for _, name := range r.required {\n", new: "	for _, name := range r.required[:0] {\n",
		dir: "contracts/schema", test: "^TestCompare_WhatIsCompatibleIsRead$",
	},
	{
		name: "schema: an open writer is taken for a closed one", file: "contracts/schema/objects.go",
		old: "return c.content == Strict || w.free", new: "return c.content == Strict && false || w.free && false",
		dir: "contracts/schema", test: "^TestCompare_WhatIsCompatibleIsRead$",
	},
	{
		name: "schema: a number may be lower than the reader takes", file: "contracts/schema/scalars.go",
		old: "	if wrote.below(read) {\n", new: "	if wrote.below(read) && false {\n",
		dir: "contracts/schema", test: "^TestCompare_WhatIsCompatibleIsRead$",
	},
	{
		name: "schema: every number is an integer", file: "contracts/schema/kinds.go",
		old: "\"integer\": integer, \"number\"", new: "\"integer\": integer | fraction, \"number\"",
		dir: "contracts/schema", test: "^TestCompare_WhatIsCompatibleIsRead$",
	},
	{
		name: "schema: what no example refutes is compatible", file: "contracts/schema/scalars.go",
		old: "	c.unsure(at, \"whether every string that the writer may send is what the reader takes (%s)\", r.wants())\n", new: "",
		dir: "contracts/schema", test: "^TestCheck_EveryChangeOfTheCatalogue$",
	},
	{
		name: "schema: a keyword that is not judged does not count", file: "contracts/schema/compare.go",
		old: "		return reflect.DeepEqual(wrote[keyword], read[keyword])\n", new: "		return reflect.DeepEqual(wrote[keyword], read[keyword]) || true\n",
		dir: "contracts/schema", test: "^TestCompare_WhatIsCompatibleIsRead$",
	},
	{
		name: "schema: one of the writer's alternatives is enough", file: "contracts/schema/combined.go",
		old: "		for _, branch := range w.anyOf {\n			c.schemas(at, branch, r)\n		}\n		return\n", new: "		c.schemas(at, w.anyOf[0], r)\n		return\n",
		dir: "contracts/schema", test: "^TestCompare_WhatIsCompatibleIsRead$",
	},
	{
		name: "schema: the items of a list are not looked at", file: "contracts/schema/objects.go",
		old: "		c.schemas(at+\"/*\", orAnything(w.items), r.items)\n", new: "		_ = r.items\n",
		dir: "contracts/schema", test: "^TestCompare_WhatIsCompatibleIsRead$",
	},
	{
		name: "gRPC: a call may take for ever", file: "internal/grpcserver/rpc.go",
		old: "context.WithTimeout(ctx, timeout)", new: "context.WithCancel(ctx)",
		dir: "internal/grpcserver", test: "^TestServer_ACallAlwaysHasADeadline$",
	},
	{
		name: "gRPC: a client is told what went wrong inside", file: "pkg/problem/problem.go",
		old: "StatusInternalServerError, \"the request could not be carried out; trying again is safe\"", new: "StatusInternalServerError, err.Error()",
		dir: "internal/grpcserver", test: "^TestServer_AnErrorIsTheProblemOfHTTP$",
	},
	{
		name: "notification: another Message-ID at every attempt", file: "services/notification/smtp.go",
		old: "fmt.Sprintf(\"<%s.%s@%s>\", m.OrderID, kind, domain)", new: "fmt.Sprintf(\"<%s.%s.%d@%s>\", m.OrderID, kind, m.Attempts, domain)",
		dir: "services/notification", test: "^TestSending_ACrashBeforeTheMarkSendsTheSameMailAgain$",
	},
	{
		name: "notification: a slow mail keeps its place", file: "services/notification/sending.go",
		old: "case <-time.After(s.slow):", new: "case <-ctx.Done():",
		dir: "services/notification", test: "^TestSending_SlowMailsDelayNoOther$",
	},
	{
		name: "notification: mails without a lease", file: "services/notification/store.go",
		old: "attempts = attempts + 1, next_attempt_at = now() + $1::interval", new: "attempts = attempts + 1, next_attempt_at = now() + 0 * $1::interval",
		dir: "services/notification", test: "^TestClaim_ManyAtOnceEachGetAnother$",
	},
	{
		name: "notification: a lease is not extended", file: "services/notification/sending.go",
		old: "for loop.Rest(holding, s.lease/3, nil) {", new: "for loop.Rest(holding, 1000*s.lease, nil) {",
		dir: "services/notification", test: "^TestSending_ASlowAnswerIsWaitedForAndTheLeaseIsKept$",
	},
	{
		name: "notification: a mail that is never answered is sent for ever", file: "services/notification/sending.go",
		old: "if m.Unanswered < maxUnanswered {", new: "if m.Unanswered < 1000 {",
		dir: "services/notification", test: "^TestSending_AServerThatNeverAnswersGetsThreeCopies$",
	},
	{
		name: "notification: a crash after the hand-over does not count", file: "services/notification/store.go",
		old: "		unanswered++\n", new: "",
		dir: "services/notification", test: "^TestSending_AHandOverCountsBeforeItsAnswer$",
	},
	{
		name: "notification: who has lost the lease hands over", file: "services/notification/store.go",
		old: "		err = errLost\n", new: "",
		dir: "services/notification", test: "^TestSending_WhoHasLostTheLeaseHandsNothingOver$",
	},
	{
		name: "notification: a cancel is told before the order", file: "services/notification/store.go",
		old: "WHERE due.kind = 'cancelled' AND", new: "WHERE false AND",
		dir: "services/notification", test: "^TestSending_ACancelFollowsTheReceipt$",
	},
	{
		name: "notification: a reason that nobody knows is a declined payment", file: "services/notification/domain.go",
		old: "	return \"\"\n}\n\n// salutation", new: "	return \" because the payment did not succeed\"\n}\n\n// salutation",
		dir: "services/notification", test: "^TestCancellation_NamesNoReasonThatIsNotTrue$",
	},
	{
		name: "order: a mail that waits is handed over by each process", file: "services/order/store_query.go",
		old: "SET refused_at = now(), problem = 'handed", new: "SET refused_at = NULL, problem = 'handed",
		dir: "services/order", test: "^TestMail_WaitingAtTheUpgrade$",
	},
	{
		name: "order: a mail that is being sent is handed over", file: "services/order/store_query.go",
		old: "AND refused_at IS NULL AND next_attempt_at <= now()", new: "AND refused_at IS NULL",
		dir: "services/order", test: "^TestMail_WaitingAtTheUpgrade$",
	},
	{
		name: "order: a cancel is told to nobody", file: "services/order/saga.go",
		old: ", ContactEmail: ended.contact}", new: "}",
		dir: "services/order", test: "^TestContact_StandsInTheEventsThatMailsFollowFrom$",
	},
	{
		name: "an incident outlives its order", file: "services/order/saga.go",
		old: "	if !overdue {", new: "	if overdue {",
		dir: "services/order", test: "^TestSweeper_ACancelThatTakesTooLongIsAnIncidentUntilTheOrderEnds$",
	},
	{
		name: "the ambassador does not count what its transport sends again", file: "apps/internal/ambassador/transport.go",
		old: "	c.sent += max(sent, 1)\n", new: "	c.sent += min(sent, 1)\n",
		dir: "apps/internal/ambassador", test: "^TestAmbassador_EveryRequestThatTheGatewayGotIsCounted$",
	},
	{
		name: "a member may be there twice", file: "internal/ijson/ijson.go",
		old: "if !jsontext.Value(text).IsValid() {", new: "if jsontext.Value(text) == nil {",
		dir: "internal/ijson", test: "^TestRead_TakesOneValueAsItWasSent$",
	},
	{
		name: "a schema that others refer to is deleted", file: "apps/internal/registry/deletes.go",
		old: "if len(referrers) > 0 {", new: "if len(referrers) < 0 {",
		dir: "apps/internal/registry", test: "^TestDelete_IsRefusedWhereSomethingRefersToIt$",
	},
	{
		name: "a schema's rules are lost in silence", file: "apps/internal/registry/requests.go",
		old: "case body.Metadata != nil || body.RuleSet != nil:", new: "case body.Metadata != nil && body.Metadata == nil:",
		dir: "apps/internal/registry", test: "^TestRegister_RefusesWhatItWouldLose$",
	},
	{
		name: "any service is healthy", file: "internal/grpcserver/health.go",
		old: "	if !slices.Contains(h.names, request.GetService()) {\n		return nil,", new: "	if h.names == nil {\n		return nil,",
		dir: "internal/grpcserver", test: "^TestServer_HealthKnowsItsServices$",
	},
	{
		name: "what is delivered and not acknowledged is not old", file: "internal/natsadmin/consumer.go",
		old: "if info.NumPending == 0 && info.NumAckPending == 0 {", new: "if info.NumPending == 0 {",
		dir: "apps/internal/provisioner", test: "^TestProvisioner_MeasuresTheOldestEventThatIsNotAcknowledged$",
	},
	{
		name: "growth: a page of pending orders walks past all that have ended", file: "services/order/store_query.go",
		old: "status >= wanted.status AND (status, id) < (wanted.status, $1)", new: "status = wanted.status AND id < $1",
		dir: "services/order", test: "^TestStore_NothingGrowsWithTheOrdersThatHaveEnded$",
	},
	{
		name: "growth: a process compares the whole ledger anew", file: "services/payment/reconcile/reconcile.go",
		old: "if r.checked == 0 {", new: "if r.checked < 0 {",
		dir: "services/payment/reconcile", test: "^TestReconcile_",
	},
	{
		name: "growth: keys are looked up by the plan for an empty table", file: "pkg/idempotency/store.go",
		old: "expires_at > now() LIMIT 1", new: "expires_at > now()",
		dir: "pkg/idempotency", test: "^TestStore_KeysAreLookedUpByAPlanFromTheBeginning$",
	},
	{
		name: "an incident whose action is refused is enough", file: "apps/system/verify/stuck.go",
		old: "WHERE resolved_at IS NULL AND (`+actionable[service]+` OR", new: "WHERE resolved_at IS NULL AND (true OR `+actionable[service]+` OR",
		dir: "apps/system/verify", test: "^TestVerify_EveryInvariantIsViolatedByADoctoredWorld$/^I20",
	},
	{
		name: "a wake-up in a year is one", file: "apps/system/verify/stuck.go",
		old: "now() + interval '1 day'`", new: "now() + interval '2 years'`",
		dir: "apps/system/verify", test: "^TestVerify_EveryInvariantIsViolatedByADoctoredWorld$/^I20",
	},
	{
		name: "an event under way counts for nothing", file: "apps/system/verify/stuck.go",
		old: "if !moves && !payment {", new: "if !moves && payment {",
		dir: "apps/system/verify", test: "^TestVerify_AnOrderThatGoesOnIsNoOffence$",
	},
	{
		name: "what is not back is taken note of", file: "services/payment/repair/strays.go",
		old: "		if s.rest != 0 {", new: "		if s.rest < 0 {",
		dir: "services/payment", test: "^TestStrays_WhoseRefundDoesNotShowAreNotNoted$",
	},
	{
		name: "a settlement stands beside the refund", file: "services/payment/charge/domain.go",
		old: "Posting{\"settlement\", p.Reference(), \"\", -sum, p.Currency})", new: "Posting{\"settlement\", p.Reference(), \"\", -sum + sum/2, p.Currency})",
		dir: "services/payment", test: "^TestStrays_ARefundAfterASettlementReversesIt$",
	},
	{
		name: "the sampler looks at bits that are fixed in a UUID", file: "internal/tracing/sampler.go",
		old: "binary.BigEndian.Uint64(id[8:])&(allTraces-1) <", new: "binary.BigEndian.Uint64(id[8:])>>8 <",
		dir: "internal/tracing", test: "^TestSampler_TakesItsShareOfUUIDs$",
	},
	{
		name: "a request's trace is continued", file: "internal/messaging/tracing.go",
		old: "if cause.EventID == \"\" && !tracing.OfOrder(order, traceparent) || traceparent == \"\" {", new: "if traceparent == \"\" {",
		dir: "internal/messaging", test: "^(TestPublish_KeepsTheCauseAndTheTrace|TestHop_ARequestsTraceIsLinkedAndNotContinued)$",
	},
	{
		name: "a second delivery looks like the first", file: "internal/messaging/tracing.go",
		old: "tracing.Redelivered.Bool(true)", new: "tracing.Redelivered.Bool(false)",
		dir: "internal/messaging", test: "^TestHop_ARedeliveryIsMarkedAsOne$",
	},
	{
		name: "the trace of what goes wrong does not begin", file: "internal/tracing/spans.go",
		old: "r.sampler.below == allTraces", new: "r.sampler.below <= allTraces",
		dir: "internal/tracing", test: "^TestFromHere_RecordsTheRestOfATrace$",
	},
	{
		name: "a customer's trace has the order's root", file: "internal/tracing/spans.go",
		old: "\"accept order\", trace.WithNewRoot(),", new: "\"accept order\",",
		dir: "internal/tracing", test: "^TestAccepted_IsTheRootAndLinkedWithTheRequest$",
	},
	{
		name: "the relay does not read the traceparent of a row", file: "pkg/outbox/relay.go",
		old: "COALESCE(traceparent, '')", new: "''",
		dir: "pkg/outbox", test: "^TestTrace_AcknowledgedAreMessagesWithATraceparent$",
	},
	{
		name: "the wait for the commit counts as work", file: "internal/messaging/tracing.go",
		old: "		if h.answered[h.TraceParent(i)] {", new: "		if h.answered[h.ids[i]] {",
		dir: "internal/messaging", test: "^TestHop_HasThreeSpansWithOneParent$",
	},
	{
		name: "an acknowledgement is for whatever has its position", file: "pkg/outbox/recovery/marks.go",
		old: " AND due.id = ack.id", new: " AND ack.id = ack.id",
		dir: "pkg/outbox", test: "^TestRelay_AnAcknowledgementIsForItsMessageAlone$",
	},
	{
		name: "ids of events are random", file: "internal/messaging/codec.go",
		old: "	id := events.ID(events.Cause(cause), event)\n", new: "	id := uuid.NewString()\n",
		dir: "internal/messaging", test: "^TestPublish_KeepsTheCauseAndTheTrace$",
	},
	{
		name: "a shipment's id is the event's", file: "services/shipping/saga.go",
		old: "events.DerivedID(order.OrderID, \"shipment\", order.OrderID)", new: "outbox.CauseOf(ctx).EventID",
		dir: "services/shipping", test: "^TestShip_WhoDecidesAgainSendsTheSameParcel$",
	},
	{
		name: "a database that is behind is used", file: "internal/lostcommits/guard.go",
		old: "		why := now.differs(*known)\n", new: "		why := now.differs(now)\n",
		dir: "internal/lostcommits", test: "^TestGuard_ADatabaseThatIsBehindIsRefused$",
	},
	{
		name: "what the last process knew is forgotten", file: "internal/lostcommits/guard.go",
		old: "found && why != \"\" {", new: "found && why == \"never\" {",
		dir: "internal/lostcommits", test: "^TestGuard_TheNextProcessKnowsTheDatabase$",
	},
	{
		name: "a heartbeat that the database has not counts", file: "internal/lostcommits/bucket.go",
		old: "if s.Heartbeats <= heartbeats && ", new: "if s.Heartbeats <= heartbeats+1 && ",
		dir: "internal/lostcommits", test: "^(TestRecord_BeginsBehindWhatTheDatabaseHas|TestGuard_ADatabaseThatIsBehindIsRefused)$",
	},
	{
		name: "the opposite of what was published is published", file: "internal/lostcommits/rebuild.go",
		old: "if !before[id] && !known[id] {", new: "if !before[id] && !known[id] && len(id) == 0 {",
		dir: "internal/lostcommits", test: "^TestRebuild_TheOppositeIsNotPublished$",
	},
	{
		name: "one event that fails keeps the database closed", file: "internal/lostcommits/rebuild.go",
		old: "	if err == nil || away {\n		return err\n	}\n	return pgx", new: "	if err != nil || away {\n		return err\n	}\n	return pgx",
		dir: "internal/lostcommits", test: "^TestRebuild_WhatFailsIsADeadLetter$",
	},
	{
		name: "events of the stream may be in no outbox", file: "apps/system/verify/messages.go",
		old: "WHERE NOT EXISTS (SELECT FROM outbox WHERE outbox.id = event.id)", new: "WHERE $1::uuid[] IS NULL AND NOT EXISTS (SELECT FROM outbox WHERE outbox.id = event.id)",
		dir: "apps/system/verify", test: "^TestVerify_EveryInvariantIsViolatedByADoctoredWorld$/^I22",
	},
}
