package postgres

// NewImpatientPool is [NewPool] with a silence of the test's own.
var NewImpatientPool = newPool
