package main

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// query prints the TXT record of name.
func query(addr, name string) error {
	m, err := dns.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeTXT), addr)
	if err != nil {
		return err
	}
	for _, rr := range m.Answer {
		if txt, ok := rr.(*dns.TXT); ok {
			fmt.Println(txt.Hdr.Name, strings.Join(txt.Txt, " "))
		}
	}
	return nil
}
