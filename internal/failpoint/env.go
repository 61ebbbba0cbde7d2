package failpoint

import "fmt"

// FromEnv makes a service's set with what FAULTS arms, writing what fires to the file that FAULTS_LOG names. A fault
// that has fired its times according to that file is not armed again.
func FromEnv(service string, getenv func(string) string) (*Set, error) {
	faults, err := Parse(getenv("FAULTS"))
	if err != nil {
		return nil, fmt.Errorf("FAULTS: %w", err)
	}
	s := NewSet()
	s.service = service
	if path := getenv("FAULTS_LOG"); path != "" {
		if s.log, err = openJournal(path); err != nil {
			return nil, fmt.Errorf("FAULTS_LOG: %w", err)
		}
		s.fired = s.log.last
	}
	for _, f := range faults {
		if f.Times > 0 {
			if f.Times -= s.log.times(f); f.Times <= 0 {
				continue
			}
		}
		if _, err := s.Arm(f); err != nil {
			return nil, fmt.Errorf("FAULTS: %w", err)
		}
	}
	return s, nil
}
