// A TURN client of Pion: relays 20 messages to a peer that echoes, and counts what comes back.
//
// Usage: client udp|tcp|tls <server> <server name> <authority file> <user> <password> <peer>
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"github.com/pion/turn/v4"
)

const messages = 20

func main() {
	if len(os.Args) != 8 {
		log.Fatal("usage: client udp|tcp|tls <server> <server name> <authority file> <user> <password> <peer>")
	}
	echoed, err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6], os.Args[7])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("echoed %d of %d\n", echoed, messages)
}

func run(way, server, name, authority, user, password, peer string) (int, error) {
	conn, err := reach(way, server, name, authority)
	if err != nil {
		return 0, err
	}
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: server, TURNServerAddr: server, Conn: conn, Username: user, Password: password,
	})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	if err = client.Listen(); err != nil {
		return 0, err
	}
	relay, err := client.Allocate()
	if err != nil {
		return 0, err
	}
	defer relay.Close()
	address, err := net.ResolveUDPAddr("udp", peer)
	if err != nil {
		return 0, err
	}
	return echo(relay, address)
}

// reach opens what the client speaks through.
func reach(way, server, name, authority string) (net.PacketConn, error) {
	switch way {
	case "udp":
		return net.ListenPacket("udp", ":0")
	case "tcp":
		conn, err := net.Dial("tcp", server)
		if err != nil {
			return nil, err
		}
		return turn.NewSTUNConn(conn), nil
	case "tls":
		pem, err := os.ReadFile(authority)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		conn, err := tls.Dial("tcp", server, &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12})
		if err != nil {
			return nil, err
		}
		return turn.NewSTUNConn(conn), nil
	}
	return nil, errors.New("not a way: " + way)
}

// echo counts the messages that come back. The sizes need padding on streams, and differ.
func echo(relay net.PacketConn, peer net.Addr) (int, error) {
	buffer := make([]byte, 2000)
	for count := range messages {
		message := make([]byte, 101+count)
		if _, err := relay.WriteTo(message, peer); err != nil {
			return count, err
		}
		if err := relay.SetReadDeadline(time.Now().Add(3 * time.Second)); err != nil {
			return count, err
		}
		got, from, err := relay.ReadFrom(buffer)
		if err != nil {
			return count, err
		}
		if got != len(message) || from.String() != peer.String() {
			return count, fmt.Errorf("%d bytes of %s instead of %d of %s", got, from, len(message), peer)
		}
	}
	return messages, nil
}
