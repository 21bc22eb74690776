// Named in the graph of Drone, compiled by nobody.
module docker.io/go-docker

go 1.26.0
