package tlsrec

import "crypto/tls"

// An Alert is one that this end sends (RFC 8446, 6). As an error it is why it
// gave a connection up.
type Alert byte

// BadRecordMAC is for a record that does not authenticate.
const BadRecordMAC Alert = 20

const (
	closeNotify       Alert = 0
	unexpectedMessage Alert = 10
	recordOverflow    Alert = 22
	decodeError       Alert = 50
	protocolVersion   Alert = 70
	internalError     Alert = 80
	userCanceled      Alert = 90
)

func (a Alert) Error() string { return tls.AlertError(a).Error() }

// The first byte of an alert. TLS 1.3 takes no notice of it.
const (
	levelWarning = 1
	levelFatal   = 2
)

// IsCloseNotify reports whether the content of a record of TypeAlert says that
// its sender will send no more.
func IsCloseNotify(alert []byte) bool { return len(alert) == 2 && Alert(alert[1]) == closeNotify }
