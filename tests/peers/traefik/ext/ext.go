// Package ext stands in for Traefik's extension point of the same name, which is not published as a
// module: the two empty types are all that Traefik itself needs to compile.
package ext

// HTTP is the empty extension of an HTTP configuration.
type HTTP struct{}

// Router is the empty extension of a router.
type Router struct{}
