package load

import (
	"compress/gzip"
	"errors"
	"io"
	"iter"
)

// inflater decompresses a stream whose bytes arrive in parts. A gzip.Reader asks for bytes, so it runs in a coroutine,
// which waits for the next part whenever it has read the last one.
type inflater struct {
	in     []byte
	err    error // that ended the coroutine
	resume func() (struct{}, bool)
	stop   func()
}

// newInflater returns an inflater that passes the bytes of the stream to out. The caller must call stop.
func newInflater(out func([]byte)) *inflater {
	f := new(inflater)
	f.resume, f.stop = iter.Pull(func(yield func(struct{}) bool) { f.err = f.run(yield, out) })
	return f
}

// run returns when the stream ends, or when yield returns false.
func (f *inflater) run(yield func(struct{}) bool, out func([]byte)) error {
	r, err := gzip.NewReader(&partReader{&f.in, yield})
	if err != nil {
		return err
	}
	buf := make([]byte, 4<<10)
	for {
		n, err := r.Read(buf)
		out(buf[:n])
		if err != nil {
			return err
		}
	}
}

// write decompresses a part of the stream.
func (f *inflater) write(part []byte) error {
	f.in = part
	if _, ok := f.resume(); !ok {
		return errors.Join(errors.New("decompress the stream"), f.err)
	}
	return nil
}

// partReader gives a coroutine the parts that its owner puts into in.
type partReader struct {
	in    *[]byte
	yield func(struct{}) bool
}

func (r *partReader) Read(p []byte) (int, error) {
	for len(*r.in) == 0 {
		if !r.yield(struct{}{}) {
			return 0, io.EOF
		}
	}
	n := copy(p, *r.in)
	*r.in = (*r.in)[n:]
	return n, nil
}
