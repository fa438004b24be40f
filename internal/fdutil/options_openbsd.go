package fdutil

var keepAliveTimes []option // they cannot be set for one socket
