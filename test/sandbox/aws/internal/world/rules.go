package world

import (
	"slices"
	"strconv"
)

// rules is a list of things that a test put in force, each with an ID. The zero value is empty.
type rules[T any] struct {
	items []rule[T]
	last  int
}

type rule[T any] struct {
	id   string
	item T
}

// add appends an item; stamp puts the new ID into it.
func (r *rules[T]) add(prefix string, item T, stamp func(*T, string)) T {
	r.last++
	id := prefix + "-" + strconv.Itoa(r.last)
	stamp(&item, id)
	r.items = append(r.items, rule[T]{id: id, item: item})
	return item
}

// list returns the items in the order they were added.
func (r *rules[T]) list() []T {
	out := make([]T, 0, len(r.items))
	for _, i := range r.items {
		out = append(out, i.item)
	}
	return out
}

// remove drops the item of an ID and tells whether there was one.
func (r *rules[T]) remove(id string) bool {
	n := len(r.items)
	r.items = slices.DeleteFunc(r.items, func(i rule[T]) bool { return i.id == id })
	return len(r.items) < n
}
