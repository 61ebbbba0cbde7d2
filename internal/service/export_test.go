package service

// OldestUnpublished is for tests that need a database, whose kit imports this package.
const OldestUnpublished = oldestUnpublished
