package restarthttp

// PretendCannotMove makes the self-check of s fail, as a future net/http might.
func PretendCannotMove(s *Server) { s.selfCheck = func() int { return 0 } }
