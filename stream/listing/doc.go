// Package listing holds what db and api say to each other about lists of collections: plain data. It imports nothing of ours
// but package stream and package collection.
package listing
