package credstore

// A LocalStatus describes a local store that could be opened: then its
// directory and files are private, and the keyset is that of the records.
type LocalStatus struct {
	Dir      string
	Rev      int64 // the number of writes
	Chatbots int
}

// Status says what there is.
func (l *Local) Status() LocalStatus {
	f := l.view.Load().file
	return LocalStatus{Dir: l.cfg.Dir, Rev: f.Rev, Chatbots: len(f.Chatbots)}
}

// InitLocal makes a local store unless there is one, and reports whether it
// did. What is there and cannot be opened is an error and stays as it is.
func InitLocal(cfg LocalConfig) (l *Local, made bool, err error) {
	cfg.Create = false
	if l, err = OpenLocal(cfg); err == nil {
		return l, false, nil
	}
	cfg.Create = true // refuses, with the same words, what is there and wrong
	l, err = OpenLocal(cfg)
	return l, err == nil, err
}
