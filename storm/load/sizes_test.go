package load

import "testing"

func TestSizesCheck(t *testing.T) {
	if err := Default().Check(); err != nil {
		t.Errorf("default: %v", err)
	}
	if err := (Sizes{}).Check(); err != nil {
		t.Errorf("all off: %v", err)
	}
	for name, change := range map[string]func(*Sizes){
		"negative":       func(s *Sizes) { s.WS = -1 },
		"too many":       func(s *Sizes) { s.Fresh = 1 << 30 },
		"think reversed": func(s *Sizes) { s.ThinkMax = s.ThinkMin - 1 },
		"no rate":        func(s *Sizes) { s.DownloadRate = 0 },
		"negative pause": func(s *Sizes) { s.BusyPause = -1 },
	} {
		s := Default()
		change(&s)
		if s.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
