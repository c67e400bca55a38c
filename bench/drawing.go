package bench

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A drawing is one SVG picture. Charts are drawn here and not in the browser, so
// that they are pure functions of the results, print, and need no script.
type drawing struct {
	Width, Height px
	Size          string // class: wide and narrow pictures of one chart take turns
	Role, Alt     string // for those who hear it
	// Plots are the rectangles of its panels, "x y w h" with semicolons between,
	// in which a reading follows the pointer; "" without one.
	Plots  string
	Groups []group
}

// A group is drawn together. With a Tip it can be pointed at and focused.
type group struct {
	Tip   string
	Paths []path
	Texts []label
}

// A path is any shape. Its look comes from its class.
type path struct{ Class, D string }

type label struct {
	X, Y  px
	Class string
	Text  string
}

// px is a length in the picture's own units.
type px float64

func (p px) String() string { return strconv.FormatFloat(math.Round(float64(p)*10)/10, 'f', -1, 64) }

// A rectangle is where a panel plots.
type rectangle struct{ x, y, w, h px }

func (r rectangle) String() string { return fmt.Sprintf("%v %v %v %v", r.x, r.y, r.w, r.h) }

func (r rectangle) path(class string) path {
	return path{class, fmt.Sprintf("M%v %vh%vv%vh%vz", r.x, r.y, r.w, r.h, -r.w)}
}

func horizontal(class string, x, y, w px) path { return path{class, fmt.Sprintf("M%v %vh%v", x, y, w)} }
func vertical(class string, x, y, h px) path   { return path{class, fmt.Sprintf("M%v %vv%v", x, y, h)} }

func circle(class string, x, y, r px) path {
	return path{class, fmt.Sprintf("M%v %va%v %v 0 1 0 %v 0a%v %v 0 1 0 %v 0z", x-r, y, r, r, 2*r, r, r, -2*r)}
}

type point struct{ x, y px }

// polyline connects points.
func polyline(class string, points []point) path {
	return path{class, "M" + joinPoints(points)}
}

// band fills what lies between two lines over the same places.
func band(class string, upper, lower []point) path {
	back := make([]point, len(lower))
	for i, p := range lower {
		back[len(lower)-1-i] = p
	}
	return path{class, "M" + joinPoints(upper) + "L" + joinPoints(back) + "z"}
}

func joinPoints(points []point) string {
	parts := make([]string, len(points))
	for i, p := range points {
		parts[i] = p.x.String() + " " + p.y.String()
	}
	return strings.Join(parts, "L")
}

// spreadOut moves labels apart so that they stand at least a gap from each other
// and end at or above the bottom. ys must be sorted.
func spreadOut(ys []px, gap, top, bottom px) []px {
	out := make([]px, len(ys))
	for i, y := range ys {
		out[i] = max(y, top)
		if i > 0 {
			out[i] = max(out[i], out[i-1]+gap)
		}
	}
	for i := len(out) - 1; i >= 0; i-- {
		limit := bottom - px(len(out)-1-i)*gap
		out[i] = min(out[i], limit)
	}
	return out
}
